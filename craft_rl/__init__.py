"""Training of language agents on the text worlds of craft."""

import os

# The matrix library may otherwise give a row other last bits on a worker thread than on the main thread;
# sampled tokens would then depend on the batch. Costs no measurable time; read at the library's first use.
os.environ.setdefault("MKL_CBWR", "AUTO")
