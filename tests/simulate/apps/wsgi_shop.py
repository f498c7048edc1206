"""A Flask application."""

from flask import Flask, request

app = Flask(__name__)


@app.post("/echo")
def echo():
    return {"body": request.get_data(as_text=True), "host": request.host, "caller": request.headers["x-real-ip"]}
