"""The durable store, behind one contract: base.py; sqlite.py on disk, memory.py without."""
