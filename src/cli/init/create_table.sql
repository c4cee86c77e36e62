CREATE TABLE IF NOT EXISTS orders (
    id integer PRIMARY KEY,
    day date NOT NULL,
    country text NOT NULL,
    amount numeric NOT NULL
);
