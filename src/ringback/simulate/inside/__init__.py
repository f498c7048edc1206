"""What runs inside an instance: the application, and what watches it. Nothing here is imported by the simulator itself."""
