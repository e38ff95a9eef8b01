"""What a job runs on: its device, its log, and the workflow that it ends with."""
