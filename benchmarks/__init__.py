"""What the speed claims of ratchet_py rest on: ``python -m benchmarks --help``.

Ours and the servers that PyPI and npm give, side by side, on this machine, in one run. See
``docs/performance`` for what is measured, how, and what came of it.
"""
