"""Training of language agents on the text worlds of craft."""

import os

# Both are read when torch loads its libraries; whoever sets them beforehand keeps the choice.
# Rows of a matrix product otherwise get other last bits on a worker thread than on the main one, so sampled
# tokens would depend on the batch. Costs no measurable time.
os.environ.setdefault("MKL_CBWR", "AUTO")
# Threads that spin at barriers stop each other where cores are shared: 64 rows took 410 ms a token on two
# busy cores, 11 ms with threads that sleep.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
