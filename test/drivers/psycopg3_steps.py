"""psycopg 3: the extended protocol, text and binary, prepared after a few runs, pipelines. Usage: psycopg3_steps.py URL STEPS"""
import datetime, decimal, json, re, sys
import psycopg

url, steps = sys.argv[1], json.load(open(sys.argv[2], encoding="utf-8"))


def value(kind, given):
    if given is None: return None
    if kind == "bytes": return bytes.fromhex(given)
    if kind == "date": return datetime.date.fromisoformat(given)
    if kind == "numeric": return decimal.Decimal(given)
    return given


def line(cursor, run):
    try:
        run()
        rows = [[repr(cell) for cell in row] for row in cursor.fetchall()] if cursor.description else None
        fields = [[c.name, c.type_code, c.precision, c.scale] for c in cursor.description or []]
        print(json.dumps({"status": cursor.statusmessage, "count": cursor.rowcount, "fields": fields, "rows": rows}))
    except psycopg.Error as error:
        print(json.dumps({"sqlState": error.sqlstate, "class": type(error).__name__}))


def run_steps(connection, binary):
    cursor = connection.cursor(binary=binary)
    for step in steps:
        parameters = [value(*p) for p in step.get("parameters", [])]
        text = re.sub(r"\$\d+", "%s", step["sql"].replace("%", "%%")) if parameters else step["sql"]
        for _ in range(step.get("repeat", 1)):
            line(cursor, lambda: cursor.execute(text, parameters or None))


with psycopg.connect(url, autocommit=True, prepare_threshold=1) as connection:
    run_steps(connection, False)
    run_steps(connection, True)
    cursor = connection.cursor()

    # What only this driver does: blocks, pipelines, server-side cursors, COPY.
    try:
        with connection.transaction():
            line(cursor, lambda: cursor.executemany("INSERT INTO notes VALUES (%s, %s, %s)", [(n, n, "v%d" % n) for n in range(30)]))
            try:
                with connection.transaction():
                    cursor.execute("DELETE FROM notes WHERE tenant < 10")
                    cursor.execute("INSERT INTO notes VALUES (20, 20, 'duplicate')")
            except psycopg.Error as error:
                print(json.dumps({"inner": error.sqlstate}))
            line(cursor, lambda: cursor.execute("SELECT count(*), max(note) FROM notes"))
            raise psycopg.Rollback()
    except psycopg.Error as error:
        print(json.dumps({"outer": error.sqlstate}))
    line(cursor, lambda: cursor.execute("SELECT count(*) FROM notes"))
    if psycopg.capabilities.has_pipeline() if hasattr(psycopg, "capabilities") else psycopg.Pipeline.is_supported():
        with connection.pipeline():
            cursors = [connection.execute("SELECT id, name FROM people WHERE tenant = %s ORDER BY id", (n % 10,)) for n in range(20)]
        print(json.dumps([[repr(row) for row in c.fetchall()] for c in cursors]))
    for query in ["SELECT id, name FROM people WHERE tenant = %s ORDER BY id", "SELECT n FROM generate_series(1, %s) n"]:
        try:
            with connection.transaction(), connection.cursor("named") as named:
                named.itersize = 10
                named.execute(query, (4,))
                print(json.dumps([repr(row) for row in named]))
        except psycopg.Error as error:
            print(json.dumps({"sqlState": error.sqlstate}))
    try:
        with cursor.copy("COPY lookup TO STDOUT") as copy:
            print(json.dumps([bytes(block).decode() for block in copy]))
    except psycopg.Error as error:
        print(json.dumps({"sqlState": error.sqlstate}))
