"""What `autonomy evaluate` measures: one module a kind of answer. Each reads folders of recordings, never a bag."""
