"""Tests of seewhy.bundled."""
