"""Running a training: the driver of a run, what learns under it, and what is saved and written down."""
