"""The web console: a Starlette application that shows and manages a broker through its API, and nothing but its API."""
