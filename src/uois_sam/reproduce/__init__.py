"""The paper in one command: what is there and what is missing, the plan, the stages of the work, and one page."""
