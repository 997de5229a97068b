"""Imported last by a process that others are forked from: what it has imported is no garbage.

None of them looks through it again, which would copy it, and takes half a second to one of each.
"""

import gc

gc.collect()
gc.freeze()
