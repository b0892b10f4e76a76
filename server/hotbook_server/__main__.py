"""`python -m hotbook_server`: serves until it is told to stop. Also what `hotbook serve` runs."""

import os

if __name__ == "__main__":
    # Before gRPC is loaded: what it has to say of a failure, we say in our own words.
    os.environ.setdefault("GRPC_VERBOSITY", "NONE")
    from hotbook_server.serve import main

    main(prog_name=os.environ.pop("HOTBOOK_PROGRAM", None))
