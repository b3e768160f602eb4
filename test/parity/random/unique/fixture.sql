CREATE TABLE ur (k int PRIMARY KEY, note text);
CREATE TABLE us (t int NOT NULL, id int PRIMARY KEY, email text UNIQUE, note text);
CREATE TABLE up (t int, id int, code numeric(8,2), day date, note text, PRIMARY KEY (t, id));
CREATE TABLE uc (t int, id int, p int, label varchar(20), n int, r int REFERENCES ur ON DELETE CASCADE, PRIMARY KEY (t, id),
  FOREIGN KEY (t, p) REFERENCES up ON DELETE CASCADE, UNIQUE (label, n));
CREATE UNIQUE INDEX up_code ON up (code, day);
CREATE UNIQUE INDEX uc_active ON uc (lower(label)) WHERE n > 5;
INSERT INTO ur SELECT g, 'r' || g FROM generate_series(0, 9) g;
INSERT INTO up SELECT g % 7, g, g, '2026-01-01', 'loaded' FROM generate_series(0, 19) g;
INSERT INTO us SELECT g % 5, g, 'e' || g, 'loaded' FROM generate_series(0, 9) g;
SELECT create_reference_table('ur');
SELECT create_distributed_table('us', 't', colocate_with => 'none', shard_count => 4);
SELECT create_distributed_table('up', 't', shard_count => 6);
SELECT create_distributed_table('uc', 't', colocate_with => 'up');
