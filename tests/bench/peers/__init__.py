"""What hotbook is measured against: one file a peer, each a real process, all with one shape.

A module has `missing()`: why the peer cannot run here, empty where it can; and `running(folder)`: a
context in which it runs, with its data in that folder. `scripts/bench --setup` installs them.
"""
