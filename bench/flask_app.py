"""GET /api/data as one would plainly write it: a connection a request, or, with KEEP=1, one that is kept."""

import os

import psycopg2
from flask import Flask, jsonify

app = Flask(__name__)
kept = None


def connect():
    return psycopg2.connect(os.environ["DATABASE_URL"])


@app.route("/api/data")
def data():
    global kept
    if os.environ.get("KEEP"):
        if kept is None:
            kept = connect()
            kept.autocommit = True
        connection = kept
    else:
        connection = connect()
    cursor = connection.cursor()
    cursor.execute("SELECT id, name FROM test_table ORDER BY id")
    rows = [{"id": row[0], "name": row[1]} for row in cursor.fetchall()]
    cursor.close()
    if connection is not kept:
        connection.close()
    return jsonify(rows)
