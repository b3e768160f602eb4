CREATE TABLE authors (id int NOT NULL, name text NOT NULL);
CREATE TABLE books (id int NOT NULL, author_id int NOT NULL, year int);
INSERT INTO authors SELECT g, 'author ' || g FROM generate_series(1, 40) g;
INSERT INTO books SELECT g, 1 + g % 40, 1950 + g % 70 FROM generate_series(1, 400) g;
