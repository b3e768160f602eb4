-- # The tables of TPC-H with rows of our own: small, skewed, some columns with NULLs, and values that its 22 queries find.
-- # {n} is a number from 0 to n - 1, {a|b|c} one of the texts; both differ from row to row (i) and from place to place.
CREATE TABLE region (r_regionkey int PRIMARY KEY, r_name char(25) NOT NULL, r_comment varchar(152));
CREATE TABLE nation (n_nationkey int PRIMARY KEY, n_name char(25) NOT NULL, n_regionkey int NOT NULL, n_comment varchar(152));
CREATE TABLE supplier (s_suppkey int PRIMARY KEY, s_name char(25) NOT NULL, s_address varchar(40) NOT NULL, s_nationkey int NOT NULL, s_phone char(15) NOT NULL, s_acctbal decimal(15,2), s_comment varchar(101));
CREATE TABLE customer (c_custkey int PRIMARY KEY, c_name varchar(25) NOT NULL, c_address varchar(40) NOT NULL, c_nationkey int NOT NULL, c_phone char(15), c_acctbal decimal(15,2), c_mktsegment char(10), c_comment varchar(117));
CREATE TABLE part (p_partkey int PRIMARY KEY, p_name varchar(55) NOT NULL, p_mfgr char(25) NOT NULL, p_brand char(10) NOT NULL, p_type varchar(25) NOT NULL, p_size int NOT NULL, p_container char(10), p_retailprice decimal(15,2) NOT NULL, p_comment varchar(23));
CREATE TABLE partsupp (ps_partkey int, ps_suppkey int, ps_availqty int NOT NULL, ps_supplycost decimal(15,2) NOT NULL, ps_comment varchar(199), PRIMARY KEY (ps_partkey, ps_suppkey));
CREATE TABLE orders (o_orderkey bigint PRIMARY KEY, o_custkey int NOT NULL, o_orderstatus char(1) NOT NULL, o_totalprice decimal(15,2) NOT NULL, o_orderdate date NOT NULL, o_orderpriority char(15) NOT NULL, o_clerk char(15), o_shippriority int NOT NULL, o_comment varchar(79));
CREATE TABLE lineitem (l_orderkey bigint, l_partkey int NOT NULL, l_suppkey int NOT NULL, l_linenumber int, l_quantity decimal(15,2) NOT NULL, l_extendedprice decimal(15,2) NOT NULL, l_discount decimal(15,2) NOT NULL, l_tax decimal(15,2) NOT NULL, l_returnflag char(1) NOT NULL, l_linestatus char(1) NOT NULL, l_shipdate date NOT NULL, l_commitdate date, l_receiptdate date NOT NULL, l_shipinstruct char(25), l_shipmode char(10), l_comment varchar(44), PRIMARY KEY (l_orderkey, l_linenumber));

INSERT INTO region SELECT i, (ARRAY['AFRICA', 'AMERICA', 'ASIA', 'EUROPE', 'MIDDLE EAST'])[i + 1], NULL FROM generate_series(0, 4) AS i;
INSERT INTO nation SELECT i, (ARRAY['ALGERIA', 'ARGENTINA', 'BRAZIL', 'CANADA', 'EGYPT', 'ETHIOPIA', 'FRANCE', 'GERMANY', 'INDIA', 'INDONESIA', 'IRAN', 'IRAQ', 'JAPAN', 'JORDAN', 'KENYA', 'MOROCCO', 'MOZAMBIQUE', 'PERU', 'CHINA', 'ROMANIA', 'SAUDI ARABIA', 'VIETNAM', 'RUSSIA', 'UNITED KINGDOM', 'UNITED STATES'])[i + 1],
  (ARRAY[0, 1, 1, 1, 4, 0, 3, 3, 2, 2, 4, 4, 2, 4, 0, 0, 0, 1, 2, 3, 4, 2, 3, 3, 1])[i + 1], nullif('{final|quick|}', '') FROM generate_series(0, 24) AS i;
INSERT INTO supplier SELECT i, 'Supplier#' || lpad(i::text, 9, '0'), 'street ' || {500}, i % 25, (10 + i % 25) || '-' || lpad({1000}::text, 3, '0') || '-' || lpad({10000}::text, 4, '0'),
  CASE WHEN {10} > 0 THEN ({1100000} - 100000) / 100.0 END, nullif('{furiously even|Customer slow Complaints|Customer Recommends|carefully|}', '') FROM generate_series(1, 50) AS i;
INSERT INTO customer SELECT i, 'Customer#' || lpad(i::text, 9, '0'), 'way ' || {900}, {25}, NULL, CASE WHEN {12} > 0 THEN ({1100000} - 100000) / 100.0 END,
  '{AUTOMOBILE|BUILDING|FURNITURE|MACHINERY|HOUSEHOLD}', nullif('{blithely|ironic|special|}', '') FROM generate_series(1, 300) AS i;
UPDATE customer SET c_phone = (10 + c_nationkey) || '-' || lpad((c_custkey % 1000)::text, 3, '0');
INSERT INTO part SELECT i, '{forest|green|almond|azure|blue|ivory}' || ' ' || '{green|chocolate|lemon|linen}' || ' {misty|navy}', 'Manufacturer#' || 1 + {5}, 'Brand#{12|13|23|34|45}',
  '{STANDARD|SMALL|MEDIUM|LARGE|ECONOMY|PROMO} {ANODIZED|BURNISHED|PLATED|POLISHED|BRUSHED} {TIN|NICKEL|BRASS|STEEL|COPPER}', (ARRAY[15, 49, 14, 23, 45, 19, 3, 36, 9, 1, 5, 10])[1 + {12}],
  nullif('{SM CASE|SM BOX|SM PACK|SM PKG|MED BAG|MED BOX|MED PKG|MED PACK|LG CASE|LG BOX|LG PACK|LG PKG|JUMBO JAR|}', ''), 900 + {110000} / 100.0, '{dogs|deps|asymptotes}' FROM generate_series(1, 600) AS i;
INSERT INTO partsupp SELECT p, 1 + (p + s * 13) % 50, 1 + {9999}, 1 + {100000} / 100.0, nullif('{quickly|}', '') FROM (SELECT p * 4 + s AS i, p, s FROM generate_series(1, 600) AS p, generate_series(0, 3) AS s) AS x;
INSERT INTO orders SELECT i, c - CASE WHEN c % 3 = 0 THEN 1 ELSE 0 END, '{F|O|P}', 1000 + {40000000} / 100.0, DATE '1992-01-01' + {2405}::int, '{1-URGENT|2-HIGH|3-MEDIUM|4-NOT SPECIFIED|5-LOW}',
  CASE WHEN {9} > 0 THEN 'Clerk#' || lpad({100}::text, 9, '0') END, 0, nullif('{sleep|special packages wake requests|final|}', '') FROM (SELECT i, (1 + {300} * {300} / 300)::int AS c FROM generate_series(1, 3000) AS i) AS x;
INSERT INTO lineitem SELECT o, p, 1 + (p + {4} * 13) % 50, l, q, q * (900 + {110000} / 100.0), {11} / 100.0, {9} / 100.0, '{A|N|R}', '{F|O}', d, CASE WHEN {30} > 0 THEN d + 20 - {40}::int END, d + 1 + {30}::int,
  nullif('{DELIVER IN PERSON|COLLECT COD|NONE|TAKE BACK RETURN|}', ''), '{AIR|AIR REG|MAIL|SHIP|TRUCK|RAIL|FOB}', '{slyly|carefully|blithely} {special|regular}'
  FROM (SELECT o_orderkey * 8 + l AS i, o_orderkey AS o, l, o_orderdate + 1 + {121}::int AS d, (1 + {600})::int AS p, CASE WHEN o_orderkey % 50 = 0 THEN 45 + {6} ELSE 1 + {50} END AS q
    FROM (SELECT o_orderkey * 8 + l AS i, orders.*, l FROM orders, generate_series(1, 7) AS l WHERE l <= 1 + o_orderkey % 7 OR o_orderkey % 50 = 0) AS y) AS x;
