"""`python -m hotbook_server.replay`: replays a file. Also what `hotbook replay` runs."""

import os

if __name__ == "__main__":
    os.environ.setdefault("GRPC_VERBOSITY", "NONE")
    from hotbook_server.replay.command import main

    main(prog_name=os.environ.pop("HOTBOOK_PROGRAM", None))
