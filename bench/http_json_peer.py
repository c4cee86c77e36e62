"""What one would write by hand: pages by httpx, rows by psycopg's COPY, in one transaction."""

import sys

import httpx
import psycopg

COLUMNS = ("id", "base", "target", "last", "volume", "at", "market")


def main():
    url, database = sys.argv[1:]
    with httpx.Client(timeout=60) as client, psycopg.connect(database) as connection:
        with connection.cursor() as cursor:
            cursor.execute("truncate by_script")
            with cursor.copy(f"copy by_script ({', '.join(COLUMNS)}) from stdin") as copy:
                page = 1
                while True:
                    answer = client.get(url, params={"page": page})
                    answer.raise_for_status()
                    items = answer.json()["items"]
                    if not items:
                        break
                    for item in items:
                        copy.write_row([item[column] for column in COLUMNS])
                    page += 1


main()
