"""Whether a task can be solved cheaply: the audit that a version of the world must pass."""
