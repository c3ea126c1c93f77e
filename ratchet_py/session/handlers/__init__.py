"""Where sites keep their sessions: a handler a module."""
