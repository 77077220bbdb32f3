"""Work in the background: jobs, the thread they run on, and how they are displayed."""
