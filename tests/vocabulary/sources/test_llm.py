"""Words from a language model, asked of a server on this machine."""

from __future__ import annotations

import hashlib
import json
import socket
import threading
from email.utils import formatdate
from pathlib import Path
from typing import Any

import pytest

from seewhy.errors import BadArtefact, InputError, Offline
from seewhy.vocabulary.files import canonical
from seewhy.vocabulary.sources.endpoint import BrokenAnswer, Endpoint
from seewhy.vocabulary.sources.llm import QUESTIONS, from_llm
from tests.vocabulary.sources.talking import Reply, naming, saying, talking

PARTS = {"part": "its parts"}
KEY = "sk-not-to-be-seen-4711"


@pytest.fixture(autouse=True)
def _online(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SEEWHY_OFFLINE", raising=False)
    monkeypatch.delenv("SEEWHY_LLM_KEY", raising=False)
    monkeypatch.setenv("no_proxy", "127.0.0.1")


def classes_in(question: dict[str, Any]) -> list[str]:
    found: list[str] = json.loads(question["messages"][1]["content"].partition("Classes: ")[2])
    return found


def obedient(question: dict[str, Any], _: int) -> Reply:
    classes = classes_in(question)
    return saying(naming(classes, "A Wing", f"part of {len(classes)}"), naming(classes[:1], "beak"))


def test_classes_are_asked_in_batches_and_concepts_know_them(tmp_path: Path) -> None:
    classes = [f"bird {i}" for i in range(45)]
    with talking(obedient) as model:
        words = from_llm(classes, model.endpoint(), tmp_path, questions=PARTS, domain="birds.")
    assert [len(classes_in(question)) for question in model.asked] == [20, 20, 5]
    assert words.names == ("wing", "part of 20", "beak", "part of 5")
    assert words["wing"].classes == tuple(classes) and words["beak"].classes == (
        "bird 0",
        "bird 20",
        "bird 40",
    )
    assert {(c.group, c.source) for c in words} == {("part", "llm:m-1")} and len(words.dropped) == 0
    first = model.asked[0]
    assert (first["path"], first["model"], first["temperature"], first["n"], first["seed"]) == (
        "/v1/chat/completions",
        "m-1",
        0.7,
        2,
        0,
    )
    assert (
        first["response_format"] == {"type": "json_object"}
        and "The photos show birds." in first["messages"][1]["content"]
    )


def test_every_kind_is_asked_by_default_with_the_rules(tmp_path: Path) -> None:
    with talking(obedient) as model:
        words = from_llm(["owl"], model.endpoint(), tmp_path)
    assert len(model.asked) == len(QUESTIONS) == 5 and words["wing"].group == "part"
    for question, what in zip(model.asked, QUESTIONS.values(), strict=True):
        text = question["messages"][1]["content"]
        assert what in text and all(
            rule in text for rule in ("single photo", "four words", "class name", "singular")
        )


def test_an_answer_is_kept_under_the_hash_of_its_question_and_never_asked_again(tmp_path: Path) -> None:
    with talking(obedient) as model:
        first = from_llm(["owl"], model.endpoint(), tmp_path, questions=PARTS)
        (path,) = tmp_path.iterdir()
        asked = model.asked[0]
        parameters = {name: asked[name] for name in ("temperature", "n", "seed", "response_format")}
        content = {"model": "m-1", "messages": asked["messages"], "parameters": parameters}
        assert path.name == hashlib.sha256(canonical(content)).hexdigest() + ".json"
        assert (
            from_llm(["owl"], model.endpoint(), tmp_path, questions=PARTS) == first and len(model.asked) == 1
        )
        from_llm(["owl"], model.endpoint(), tmp_path, questions=PARTS, seed=1)
        from_llm(["owl"], model.endpoint(model="m-2"), tmp_path, questions=PARTS)
    assert len(model.asked) == 3 and len(list(tmp_path.iterdir())) == 3
    elsewhere = Endpoint("http://127.0.0.1:9/v1", "m-1")
    assert from_llm(["owl"], elsewhere, tmp_path, questions=PARTS, offline=True).sha256 == first.sha256


@pytest.mark.parametrize("by", ["argument", "variable"])
def test_offline_a_miss_says_what_is_missing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, by: str
) -> None:
    with talking(obedient) as model:
        from_llm(["owl"], model.endpoint(), tmp_path, questions=PARTS)
        if by == "variable":
            monkeypatch.setenv("SEEWHY_OFFLINE", "1")
        switch = "SEEWHY_OFFLINE=1" if by == "variable" else "offline=True"
        with pytest.raises(
            Offline, match=f"1 of 2 answers of 'm-1' are not in .*: 'look' of 'owl' to 'owl'.\n  {switch}"
        ):
            from_llm(
                ["owl"],
                model.endpoint(),
                tmp_path,
                questions=PARTS | {"look": "colours"},
                offline=by == "argument",
            )
    assert len(model.asked) == 1


def test_the_key_goes_to_the_server_and_nowhere_else(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SEEWHY_LLM_KEY", KEY)
    echo = Reply(json.dumps({"error": {"message": f"bad key {KEY}"}}).encode(), 401)
    with talking(lambda question, n: echo if n else obedient(question, n)) as model:
        words = from_llm(["owl"], model.endpoint(), tmp_path, questions=PARTS)
        with pytest.raises(
            InputError, match=r"answered 401 .* bad key \*\*\*(.|\n)*SEEWHY_LLM_KEY is set, but not"
        ) as caught:
            from_llm(["cat"], model.endpoint(), tmp_path, questions=PARTS)
    assert model.headers[0]["Authorization"] == f"Bearer {KEY}"
    written = "".join(path.read_text() for path in tmp_path.iterdir())
    assert KEY not in written + repr(words) + str(caught.value) + repr(model.endpoint())


def test_without_a_key_none_is_sent_and_a_refusal_names_the_variable(tmp_path: Path) -> None:
    with talking(lambda *_: Reply(b"no", 401)) as model, pytest.raises(InputError, match="MY_KEY is not set"):
        from_llm(["owl"], model.endpoint(key_variable="MY_KEY"), tmp_path, questions=PARTS)
    assert "Authorization" not in model.headers[0]


def test_a_key_that_is_none_is_refused_unseen(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SEEWHY_LLM_KEY", f"{KEY}\nX: y")
    with pytest.raises(InputError, match="key in SEEWHY_LLM_KEY holds characters") as caught:
        Endpoint("http://127.0.0.1:9/v1", "m").ask([], {})
    assert KEY not in str(caught.value)


def test_a_busy_server_is_asked_again_after_the_pause_that_it_wants(tmp_path: Path) -> None:
    replies = [Reply(b"", 429, (("Retry-After", "7"),)), Reply(b"", 503)]
    with talking(lambda question, n: replies[n] if n < 2 else obedient(question, n)) as model:
        from_llm(["owl"], model.endpoint(), tmp_path, questions=PARTS)
    assert model.pauses == [7.0, 2.0] and len(model.asked) == 3


def test_a_server_that_stays_busy_or_wants_too_long_a_pause_is_told_of(tmp_path: Path) -> None:
    with talking(lambda *_: Reply(b"", 429, (("Retry-After", "0"),))) as model:
        with pytest.raises(InputError, match="answered 429"):
            from_llm(["owl"], model.endpoint(), tmp_path, questions=PARTS)
        assert len(model.asked) == 3 and model.pauses == []
    late = formatdate(4_000_000_000, usegmt=True)
    with talking(lambda *_: Reply(b"", 429, (("Retry-After", late),))) as model:
        with pytest.raises(InputError, match=r"Try again in \d{6,} seconds"):
            from_llm(["owl"], model.endpoint(), tmp_path, questions=PARTS)
        assert len(model.asked) == 1


def test_parameters_that_a_server_refuses_are_left_out(tmp_path: Path) -> None:
    def strict(question: dict[str, Any], n: int) -> Reply:
        return (
            Reply(b'{"error": "unknown response_format"}', 400)
            if "seed" in question
            else obedient(question, n)
        )

    with talking(strict) as model:
        words = from_llm(["owl"], model.endpoint(), tmp_path, questions=PARTS)
    assert "wing" in words and set(model.asked[1]) == {"path", "model", "messages", "temperature", "n"}


def test_an_unreachable_port_is_offline_at_once(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # bound and not listening: nobody answers there
        endpoint = Endpoint(f"http://127.0.0.1:{taken.getsockname()[1]}/v1", "m")
        with pytest.raises(Offline, match=r"/v1/chat/completions cannot be reached \(.*refused"):
            from_llm(["owl"], endpoint, tmp_path, questions=PARTS)


def test_a_silent_server_is_left_after_its_time(tmp_path: Path) -> None:
    done = threading.Event()

    def slow(question: dict[str, Any], n: int) -> Reply:
        done.wait(10)
        return obedient(question, n)

    with talking(slow) as model:
        try:
            with pytest.raises(Offline, match="did not answer within 0.2 seconds"):
                from_llm(["owl"], model.endpoint(seconds=0.2), tmp_path, questions=PARTS)
        finally:
            done.set()


@pytest.mark.parametrize(
    ("reply", "told"),
    [
        (Reply(saying("{}").body[:-9]), "is no chat completion"),
        (Reply(b"<html>hello</html>"), "is no chat completion"),
        (saying(""), "holds no text"),
        (Reply(b'{"choices"', length=500), "broke off after 10 of 500 bytes"),
    ],
)
def test_a_broken_answer_is_asked_again_and_then_told(reply: Reply, told: str) -> None:
    with talking(lambda *_: reply) as model:
        with pytest.raises(BrokenAnswer, match=told):
            model.endpoint(attempts=2).ask([], {})
        assert len(model.asked) == 2


def test_truncated_json_in_an_answer_gives_what_is_whole(tmp_path: Path) -> None:
    cut = '{"concepts": [{"class": "owl", "names": ["large eye", "be'
    with talking(lambda *_: saying(cut, naming(["owl"], "wing")[:-3])) as model:
        words = from_llm(["owl", "duck"], model.endpoint(), tmp_path, questions=PARTS)
    assert words.names == ("large eye", "wing") and words["wing"].classes == ()


def test_what_was_got_is_kept_when_some_answers_fail(tmp_path: Path) -> None:
    def moody(question: dict[str, Any], n: int) -> Reply:
        return saying("...") if classes_in(question) == ["cat"] and not good else obedient(question, n)

    good = False
    with talking(moody) as model:
        with pytest.raises(
            InputError, match="1 of 3 requests came to nothing: 'part' of 'cat' to 'cat'.\n  No answer holds"
        ):
            from_llm(["owl", "cat", "dog"], model.endpoint(), tmp_path, questions=PARTS, batch=1)
        assert len(list(tmp_path.iterdir())) == 2
        good, before = True, len(model.asked)
        words = from_llm(["owl", "cat", "dog"], model.endpoint(), tmp_path, questions=PARTS, batch=1)
    assert len(model.asked) == before + 1 and words["wing"].classes == ("owl", "cat", "dog")


def test_a_refusal_stops_at_once_and_keeps_what_was_got(tmp_path: Path) -> None:
    with talking(lambda question, n: obedient(question, n) if n == 0 else Reply(b"", 404)) as model:
        with pytest.raises(InputError, match="answered 404(.|\n)*Check base_url and the model's name, 'm-1'"):
            from_llm(["owl", "cat", "dog"], model.endpoint(), tmp_path, questions=PARTS, batch=1)
        assert len(model.asked) == 2 and len(list(tmp_path.iterdir())) == 1


def test_a_redirect_is_not_followed_with_the_key(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SEEWHY_LLM_KEY", KEY)
    with talking(obedient) as other:
        away = Reply(b"", 302, (("Location", other.url),))
        with talking(lambda *_: away) as model, pytest.raises(InputError, match="answered 302"):
            from_llm(["owl"], model.endpoint(), tmp_path, questions=PARTS)
    assert other.asked == []


def test_a_changed_file_of_the_cache_is_refused(tmp_path: Path) -> None:
    with talking(obedient) as model:
        from_llm(["owl"], model.endpoint(), tmp_path, questions=PARTS)
        (path,) = tmp_path.iterdir()
        path.write_text(path.read_text().replace("beak", "beek"))
        with pytest.raises(BadArtefact, match="is not the answer that was kept there"):
            from_llm(["owl"], model.endpoint(), tmp_path, questions=PARTS)


@pytest.mark.parametrize(
    ("url", "told"),
    [
        ("localhost:8000/v1", "is no web address"),
        ("ftp://host/v1", "is no web address"),
        ("http://[::1", "is no web address"),
        ("http://me:secret-word@host/v1", "holds a user name"),
        ("http://host/v1?key=secret-word", "or a query"),
    ],
)
def test_an_address_is_checked_and_secrets_in_it_refused(url: str, told: str) -> None:
    with pytest.raises(InputError, match=told) as caught:
        Endpoint(url, "m")
    assert "secret-word" not in str(caught.value)


def test_wrong_arguments_are_told(tmp_path: Path) -> None:
    endpoint = Endpoint("http://127.0.0.1:9/v1", "m")
    for wrong in ({"classes": []}, {"classes": "owl"}, {"batch": 0}, {"n": 0}, {"questions": {}}):
        arguments: dict[str, Any] = {"classes": ["owl"], **wrong}
        with pytest.raises(InputError, match="Classes are a list of names; there is a question"):
            from_llm(endpoint=endpoint, cache=tmp_path, **arguments)
