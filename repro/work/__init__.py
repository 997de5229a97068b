"""How a job gets done: trained, measured, timed or drawn, in which process."""
