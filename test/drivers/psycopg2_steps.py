"""psycopg2: libpq and the simple protocol with values written into the text. Usage: psycopg2_steps.py URL STEPS"""
import datetime, decimal, json, re, sys
import psycopg2, psycopg2.extras

url, steps = sys.argv[1], json.load(open(sys.argv[2], encoding="utf-8"))


def value(kind, given):
    if given is None: return None
    if kind == "bytes": return bytes.fromhex(given)
    if kind == "date": return datetime.date.fromisoformat(given)
    if kind == "numeric": return decimal.Decimal(given)
    return given


def show(cell):
    return cell.tobytes().hex() if isinstance(cell, memoryview) else repr(cell)


def line(cursor, run):
    try:
        run()
        rows = [[show(cell) for cell in row] for row in cursor.fetchall()] if cursor.description else None
        fields = [[c.name, c.type_code, c.precision, c.scale] for c in cursor.description or []]
        print(json.dumps({"status": cursor.statusmessage, "count": cursor.rowcount, "fields": fields, "rows": rows}))
    except psycopg2.Error as error:
        print(json.dumps({"sqlState": error.pgcode, "class": type(error).__name__}))


connection = psycopg2.connect(url)
connection.autocommit = True
cursor = connection.cursor()
for step in steps:
    parameters = [value(*p) for p in step.get("parameters", [])]
    text = re.sub(r"\$\d+", "%s", step["sql"].replace("%", "%%")) if parameters else step["sql"]
    for _ in range(step.get("repeat", 1)):
        line(cursor, lambda: cursor.execute(text, parameters or None))

# What only this driver does: transactions by the connection, batches, named cursors, COPY.
connection.autocommit = False
line(cursor, lambda: psycopg2.extras.execute_values(cursor, "INSERT INTO notes VALUES %s", [(n, n, "v%d" % n) for n in range(30)]))
line(cursor, lambda: psycopg2.extras.execute_batch(cursor, "UPDATE notes SET note = %s WHERE tenant = %s", [("b%d" % n, n) for n in range(30)]))
line(cursor, lambda: cursor.executemany("DELETE FROM notes WHERE tenant = %s", [(n,) for n in range(5)]))
line(cursor, lambda: cursor.execute("SELECT * FROM notes ORDER BY tenant"))
connection.rollback()
line(cursor, lambda: cursor.execute("SELECT count(*) FROM notes"))
connection.rollback()
for query in ["SELECT id, name FROM people WHERE tenant = 4 ORDER BY id", "SELECT code, title FROM lookup ORDER BY code"]:
    named = connection.cursor("named")
    named.itersize = 10
    try:
        named.execute(query)
        print(json.dumps([repr(row) for row in named]))
        named.close()
        connection.commit()
    except psycopg2.Error as error:
        connection.rollback()
        print(json.dumps({"sqlState": error.pgcode}))
import io
into = io.StringIO()
line(cursor, lambda: cursor.copy_expert("COPY lookup TO STDOUT (FORMAT csv, HEADER)", into))
print(json.dumps(into.getvalue()))
connection.commit()
connection.close()
