"""Moving data in and out of hotbook, in the layouts of the original system.

`importing` and `exporting` are what the command line and programs call; the other modules are
their nouns: one position's JSON (`legacy`), the folder tree, the checkpoint, the report.
"""
