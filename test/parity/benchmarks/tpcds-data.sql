-- # The tables of TPC-DS with rows of our own, as in tpch-data.sql.
CREATE TABLE date_dim (
  d_date_sk integer, d_date_id varchar(16), d_date date, d_month_seq integer, d_week_seq integer, d_quarter_seq integer, d_year integer, d_dow integer,
  d_moy integer, d_dom integer, d_qoy integer, d_fy_year integer, d_fy_quarter_seq integer, d_fy_week_seq integer, d_day_name varchar(9),
  d_quarter_name varchar(6), d_holiday varchar(1), d_weekend varchar(1), d_following_holiday varchar(1), d_first_dom integer, d_last_dom integer,
  d_same_day_ly integer, d_same_day_lq integer, d_current_day varchar(1), d_current_week varchar(1), d_current_month varchar(1), d_current_quarter varchar(1),
  d_current_year varchar(1), PRIMARY KEY (d_date_sk));
CREATE TABLE time_dim (
  t_time_sk integer, t_time_id varchar(16), t_time integer, t_hour integer, t_minute integer, t_second integer, t_am_pm varchar(2), t_shift varchar(20),
  t_sub_shift varchar(20), t_meal_time varchar(20), PRIMARY KEY (t_time_sk));
CREATE TABLE item (
  i_item_sk integer, i_item_id varchar(16), i_rec_start_date date, i_rec_end_date date, i_item_desc varchar(200), i_current_price decimal(7,2),
  i_wholesale_cost decimal(7,2), i_brand_id integer, i_brand varchar(50), i_class_id integer, i_class varchar(50), i_category_id integer, i_category varchar(50),
  i_manufact_id integer, i_manufact varchar(50), i_size varchar(20), i_formulation varchar(20), i_color varchar(20), i_units varchar(10),
  i_container varchar(10), i_manager_id integer, i_product_name varchar(50), PRIMARY KEY (i_item_sk));
CREATE TABLE customer (
  c_customer_sk integer, c_customer_id varchar(16), c_current_cdemo_sk integer, c_current_hdemo_sk integer, c_current_addr_sk integer,
  c_first_shipto_date_sk integer, c_first_sales_date_sk integer, c_salutation varchar(10), c_first_name varchar(20), c_last_name varchar(30),
  c_preferred_cust_flag varchar(1), c_birth_day integer, c_birth_month integer, c_birth_year integer, c_birth_country varchar(20), c_login varchar(13),
  c_email_address varchar(50), c_last_review_date_sk integer, PRIMARY KEY (c_customer_sk));
CREATE TABLE customer_address (
  ca_address_sk integer, ca_address_id varchar(16), ca_street_number varchar(10), ca_street_name varchar(60), ca_street_type varchar(15),
  ca_suite_number varchar(10), ca_city varchar(60), ca_county varchar(30), ca_state varchar(2), ca_zip varchar(10), ca_country varchar(20),
  ca_gmt_offset decimal(5,2), ca_location_type varchar(20), PRIMARY KEY (ca_address_sk));
CREATE TABLE customer_demographics (
  cd_demo_sk integer, cd_gender varchar(1), cd_marital_status varchar(1), cd_education_status varchar(20), cd_purchase_estimate integer,
  cd_credit_rating varchar(10), cd_dep_count integer, cd_dep_employed_count integer, cd_dep_college_count integer, PRIMARY KEY (cd_demo_sk));
CREATE TABLE household_demographics (
  hd_demo_sk integer, hd_income_band_sk integer, hd_buy_potential varchar(15), hd_dep_count integer, hd_vehicle_count integer, PRIMARY KEY (hd_demo_sk));
CREATE TABLE income_band (
  ib_income_band_sk integer, ib_lower_bound integer, ib_upper_bound integer, PRIMARY KEY (ib_income_band_sk));
CREATE TABLE store (
  s_store_sk integer, s_store_id varchar(16), s_rec_start_date date, s_rec_end_date date, s_closed_date_sk integer, s_store_name varchar(50),
  s_number_employees integer, s_floor_space integer, s_hours varchar(20), s_manager varchar(40), s_market_id integer, s_geography_class varchar(100),
  s_market_desc varchar(100), s_market_manager varchar(40), s_division_id integer, s_division_name varchar(50), s_company_id integer, s_company_name varchar(50),
  s_street_number varchar(10), s_street_name varchar(60), s_street_type varchar(15), s_suite_number varchar(10), s_city varchar(60), s_county varchar(30),
  s_state varchar(2), s_zip varchar(10), s_country varchar(20), s_gmt_offset decimal(5,2), s_tax_percentage decimal(5,2), PRIMARY KEY (s_store_sk));
CREATE TABLE call_center (
  cc_call_center_sk integer, cc_call_center_id varchar(16), cc_rec_start_date date, cc_rec_end_date date, cc_closed_date_sk integer, cc_open_date_sk integer,
  cc_name varchar(50), cc_class varchar(50), cc_employees integer, cc_sq_ft integer, cc_hours varchar(20), cc_manager varchar(40), cc_mkt_id integer,
  cc_mkt_class varchar(50), cc_mkt_desc varchar(100), cc_market_manager varchar(40), cc_division integer, cc_division_name varchar(50), cc_company integer,
  cc_company_name varchar(50), cc_street_number varchar(10), cc_street_name varchar(60), cc_street_type varchar(15), cc_suite_number varchar(10),
  cc_city varchar(60), cc_county varchar(30), cc_state varchar(2), cc_zip varchar(10), cc_country varchar(20), cc_gmt_offset decimal(5,2),
  cc_tax_percentage decimal(5,2), PRIMARY KEY (cc_call_center_sk));
CREATE TABLE catalog_page (
  cp_catalog_page_sk integer, cp_catalog_page_id varchar(16), cp_start_date_sk integer, cp_end_date_sk integer, cp_department varchar(50),
  cp_catalog_number integer, cp_catalog_page_number integer, cp_description varchar(100), cp_type varchar(100), PRIMARY KEY (cp_catalog_page_sk));
CREATE TABLE warehouse (
  w_warehouse_sk integer, w_warehouse_id varchar(16), w_warehouse_name varchar(20), w_warehouse_sq_ft integer, w_street_number varchar(10),
  w_street_name varchar(60), w_street_type varchar(15), w_suite_number varchar(10), w_city varchar(60), w_county varchar(30), w_state varchar(2),
  w_zip varchar(10), w_country varchar(20), w_gmt_offset decimal(5,2), PRIMARY KEY (w_warehouse_sk));
CREATE TABLE web_site (
  web_site_sk integer, web_site_id varchar(16), web_rec_start_date date, web_rec_end_date date, web_name varchar(50), web_open_date_sk integer,
  web_close_date_sk integer, web_class varchar(50), web_manager varchar(40), web_mkt_id integer, web_mkt_class varchar(50), web_mkt_desc varchar(100),
  web_market_manager varchar(40), web_company_id integer, web_company_name varchar(50), web_street_number varchar(10), web_street_name varchar(60),
  web_street_type varchar(15), web_suite_number varchar(10), web_city varchar(60), web_county varchar(30), web_state varchar(2), web_zip varchar(10),
  web_country varchar(20), web_gmt_offset decimal(5,2), web_tax_percentage decimal(5,2), PRIMARY KEY (web_site_sk));
CREATE TABLE web_page (
  wp_web_page_sk integer, wp_web_page_id varchar(16), wp_rec_start_date date, wp_rec_end_date date, wp_creation_date_sk integer, wp_access_date_sk integer,
  wp_autogen_flag varchar(1), wp_customer_sk integer, wp_url varchar(100), wp_type varchar(50), wp_char_count integer, wp_link_count integer,
  wp_image_count integer, wp_max_ad_count integer, PRIMARY KEY (wp_web_page_sk));
CREATE TABLE promotion (
  p_promo_sk integer, p_promo_id varchar(16), p_start_date_sk integer, p_end_date_sk integer, p_item_sk integer, p_cost decimal(15,2), p_response_target integer,
  p_promo_name varchar(50), p_channel_dmail varchar(1), p_channel_email varchar(1), p_channel_catalog varchar(1), p_channel_tv varchar(1),
  p_channel_radio varchar(1), p_channel_press varchar(1), p_channel_event varchar(1), p_channel_demo varchar(1), p_channel_details varchar(100),
  p_purpose varchar(15), p_discount_active varchar(1), PRIMARY KEY (p_promo_sk));
CREATE TABLE reason (
  r_reason_sk integer, r_reason_id varchar(16), r_reason_desc varchar(100), PRIMARY KEY (r_reason_sk));
CREATE TABLE ship_mode (
  sm_ship_mode_sk integer, sm_ship_mode_id varchar(16), sm_type varchar(30), sm_code varchar(10), sm_carrier varchar(20), sm_contract varchar(20),
  PRIMARY KEY (sm_ship_mode_sk));
CREATE TABLE inventory (
  inv_date_sk integer, inv_item_sk integer, inv_warehouse_sk integer, inv_quantity_on_hand integer, PRIMARY KEY (inv_date_sk, inv_item_sk, inv_warehouse_sk));
CREATE TABLE store_sales (
  ss_sold_date_sk integer, ss_sold_time_sk integer, ss_item_sk integer, ss_customer_sk integer, ss_cdemo_sk integer, ss_hdemo_sk integer, ss_addr_sk integer,
  ss_store_sk integer, ss_promo_sk integer, ss_ticket_number integer, ss_quantity integer, ss_wholesale_cost decimal(7,2), ss_list_price decimal(7,2),
  ss_sales_price decimal(7,2), ss_ext_discount_amt decimal(7,2), ss_ext_sales_price decimal(7,2), ss_ext_wholesale_cost decimal(7,2),
  ss_ext_list_price decimal(7,2), ss_ext_tax decimal(7,2), ss_coupon_amt decimal(7,2), ss_net_paid decimal(7,2), ss_net_paid_inc_tax decimal(7,2),
  ss_net_profit decimal(7,2), PRIMARY KEY (ss_item_sk, ss_ticket_number));
CREATE TABLE store_returns (
  sr_returned_date_sk integer, sr_return_time_sk integer, sr_item_sk integer, sr_customer_sk integer, sr_cdemo_sk integer, sr_hdemo_sk integer,
  sr_addr_sk integer, sr_store_sk integer, sr_reason_sk integer, sr_ticket_number integer, sr_return_quantity integer, sr_return_amt decimal(7,2),
  sr_return_tax decimal(7,2), sr_return_amt_inc_tax decimal(7,2), sr_fee decimal(7,2), sr_return_ship_cost decimal(7,2), sr_refunded_cash decimal(7,2),
  sr_reversed_charge decimal(7,2), sr_store_credit decimal(7,2), sr_net_loss decimal(7,2), PRIMARY KEY (sr_item_sk, sr_ticket_number));
CREATE TABLE catalog_sales (
  cs_sold_date_sk integer, cs_sold_time_sk integer, cs_ship_date_sk integer, cs_bill_customer_sk integer, cs_bill_cdemo_sk integer, cs_bill_hdemo_sk integer,
  cs_bill_addr_sk integer, cs_ship_customer_sk integer, cs_ship_cdemo_sk integer, cs_ship_hdemo_sk integer, cs_ship_addr_sk integer, cs_call_center_sk integer,
  cs_catalog_page_sk integer, cs_ship_mode_sk integer, cs_warehouse_sk integer, cs_item_sk integer, cs_promo_sk integer, cs_order_number integer,
  cs_quantity integer, cs_wholesale_cost decimal(7,2), cs_list_price decimal(7,2), cs_sales_price decimal(7,2), cs_ext_discount_amt decimal(7,2),
  cs_ext_sales_price decimal(7,2), cs_ext_wholesale_cost decimal(7,2), cs_ext_list_price decimal(7,2), cs_ext_tax decimal(7,2), cs_coupon_amt decimal(7,2),
  cs_ext_ship_cost decimal(7,2), cs_net_paid decimal(7,2), cs_net_paid_inc_tax decimal(7,2), cs_net_paid_inc_ship decimal(7,2),
  cs_net_paid_inc_ship_tax decimal(7,2), cs_net_profit decimal(7,2), PRIMARY KEY (cs_item_sk, cs_order_number));
CREATE TABLE catalog_returns (
  cr_returned_date_sk integer, cr_returned_time_sk integer, cr_item_sk integer, cr_refunded_customer_sk integer, cr_refunded_cdemo_sk integer,
  cr_refunded_hdemo_sk integer, cr_refunded_addr_sk integer, cr_returning_customer_sk integer, cr_returning_cdemo_sk integer, cr_returning_hdemo_sk integer,
  cr_returning_addr_sk integer, cr_call_center_sk integer, cr_catalog_page_sk integer, cr_ship_mode_sk integer, cr_warehouse_sk integer, cr_reason_sk integer,
  cr_order_number integer, cr_return_quantity integer, cr_return_amount decimal(7,2), cr_return_tax decimal(7,2), cr_return_amt_inc_tax decimal(7,2),
  cr_fee decimal(7,2), cr_return_ship_cost decimal(7,2), cr_refunded_cash decimal(7,2), cr_reversed_charge decimal(7,2), cr_store_credit decimal(7,2),
  cr_net_loss decimal(7,2), PRIMARY KEY (cr_item_sk, cr_order_number));
CREATE TABLE web_sales (
  ws_sold_date_sk integer, ws_sold_time_sk integer, ws_ship_date_sk integer, ws_item_sk integer, ws_bill_customer_sk integer, ws_bill_cdemo_sk integer,
  ws_bill_hdemo_sk integer, ws_bill_addr_sk integer, ws_ship_customer_sk integer, ws_ship_cdemo_sk integer, ws_ship_hdemo_sk integer, ws_ship_addr_sk integer,
  ws_web_page_sk integer, ws_web_site_sk integer, ws_ship_mode_sk integer, ws_warehouse_sk integer, ws_promo_sk integer, ws_order_number integer,
  ws_quantity integer, ws_wholesale_cost decimal(7,2), ws_list_price decimal(7,2), ws_sales_price decimal(7,2), ws_ext_discount_amt decimal(7,2),
  ws_ext_sales_price decimal(7,2), ws_ext_wholesale_cost decimal(7,2), ws_ext_list_price decimal(7,2), ws_ext_tax decimal(7,2), ws_coupon_amt decimal(7,2),
  ws_ext_ship_cost decimal(7,2), ws_net_paid decimal(7,2), ws_net_paid_inc_tax decimal(7,2), ws_net_paid_inc_ship decimal(7,2),
  ws_net_paid_inc_ship_tax decimal(7,2), ws_net_profit decimal(7,2), PRIMARY KEY (ws_item_sk, ws_order_number));
CREATE TABLE web_returns (
  wr_returned_date_sk integer, wr_returned_time_sk integer, wr_item_sk integer, wr_refunded_customer_sk integer, wr_refunded_cdemo_sk integer,
  wr_refunded_hdemo_sk integer, wr_refunded_addr_sk integer, wr_returning_customer_sk integer, wr_returning_cdemo_sk integer, wr_returning_hdemo_sk integer,
  wr_returning_addr_sk integer, wr_web_page_sk integer, wr_reason_sk integer, wr_order_number integer, wr_return_quantity integer, wr_return_amt decimal(7,2),
  wr_return_tax decimal(7,2), wr_return_amt_inc_tax decimal(7,2), wr_fee decimal(7,2), wr_return_ship_cost decimal(7,2), wr_refunded_cash decimal(7,2),
  wr_reversed_charge decimal(7,2), wr_account_credit decimal(7,2), wr_net_loss decimal(7,2), PRIMARY KEY (wr_item_sk, wr_order_number));

INSERT INTO date_dim SELECT
  to_char(d, 'J')::int, 'D' || to_char(d, 'J'), d, (extract(year FROM d)::int - 1900) * 12 + extract(month FROM d)::int - 1, (d - DATE '1900-01-01') / 7 + 1,
  (extract(year FROM d)::int - 1900) * 4 + extract(quarter FROM d)::int, extract(year FROM d), extract(dow FROM d), extract(month FROM d), extract(day FROM d),
  extract(quarter FROM d), extract(year FROM d), 0, 0,
  (ARRAY['Sunday', 'Monday', 'Tuesday', 'Wednesday', 'Thursday', 'Friday', 'Saturday'])[1 + extract(dow FROM d)::int], to_char(d, 'YYYY"Q"Q'), '{Y|N}', '{Y|N}',
  'N', to_char(date_trunc('month', d), 'J')::int, to_char(date_trunc('month', d) + INTERVAL '1 month - 1 day', 'J')::int, to_char(d, 'J')::int - 365,
  to_char(d, 'J')::int - 91, 'N', 'N', 'N', 'N', 'N'
  FROM (SELECT i, DATE '1998-01-01' + i AS d FROM generate_series(0, 1825) AS i) AS x;
INSERT INTO time_dim SELECT
  i * 300, 'T' || i, i * 300, i / 12, i % 12 * 5, 0, CASE WHEN i < 144 THEN 'AM' ELSE 'PM' END, '{first|second|third}', '{morning|evening}',
  CASE i / 12 WHEN 7 THEN 'breakfast' WHEN 8 THEN 'breakfast' WHEN 12 THEN 'lunch' WHEN 18 THEN 'dinner' WHEN 19 THEN 'dinner' END
  FROM generate_series(0, 287) AS i;
INSERT INTO item SELECT
  i, 'ITEM' || lpad(((i + 1) / 2)::text, 6, '0'), DATE '1999-10-28', NULL, '{Significant|Common|Useful|} {old|new|young} things',
  CASE {4} WHEN 0 THEN 0.99 + {50} / 100.0 WHEN 1 THEN 62 + {20} WHEN 2 THEN NULL ELSE 1 + {9900} / 100.0 END, 1 + {5000} / 100.0, 1000000 + {8},
  '{amalgimporto #1|edu packscholar #1|exportiimporto #1|importoamalg #1|scholaramalgamalg #14|scholaramalgamalg #7|exportiunivamalg #9|scholaramalgamalg #9}',
  1 + {15},
  nullif('{personal|portable|reference|self-help|accessories|classical|fragrances|pants|maternity|computers|stereo|football|shirts|birdal|dresses|}', ''),
  1 + {10}, CASE WHEN i % 10 = 0 THEN 'Women' ELSE nullif('{Women|Men|Music|Books|Children|Electronics|Sports|Home|Jewelry|Shoes|}', '') END,
  CASE WHEN i % 10 = 0 THEN 738 + i / 10 ELSE (ARRAY[128, 677, 940, 694, 808, 129, 270, 821, 423, 350, 977])[1 + {11}] END, 'maker ' || i / 10,
  CASE WHEN i % 10 = 0 THEN 'medium' ELSE '{petite|medium|extra large|small|N/A}' END, '{a|b|c}' || i,
  CASE WHEN i % 10 = 0 THEN '{powder|midnight}' ELSE '{slate|blanched|burnished|peach|purple|burlywood|spring|floral|frosted}' END,
  CASE WHEN i % 10 = 0 THEN '{Oz|Pallet}' ELSE '{Each|Tbl|Dozen}' END, 'Unknown', (ARRAY[1, 8, 28, 40, 80])[1 + {5}], 'product ' || i / 2
  FROM generate_series(1, 200) AS i;
INSERT INTO customer SELECT
  i, 'CUST' || lpad(i::text, 6, '0'), nullif({141}, 0), nullif({61}, 0), nullif({151}, 0), 2450815 + {1826}, 2450815 + {1826}, nullif('{Mr.|Mrs.|Dr.|}', ''),
  '{Ann|Bob|Cem|Ðorđe|Eva|Finn}', nullif('{Ames|Bauer|Chen|Díaz|Eze|Fox|}', ''), '{Y|N}', 1 + {28}, nullif({13}, 0), 1930 + {60},
  nullif('{UNITED STATES|CHILE|TOGO|}', ''), NULL, 'mail' || {400} || '@example.org', 2450815 + {1826}
  FROM generate_series(1, 250) AS i;
INSERT INTO customer_address SELECT
  i, 'ADDR' || lpad(i::text, 6, '0'), nullif('{alpha|beta|gamma|}', ''), nullif('{alpha|beta|gamma|}', ''), nullif('{alpha|beta|gamma|}', ''),
  nullif('{alpha|beta|gamma|}', ''), '{Edgewood|Fairview|Midway|Oakland}',
  '{Rush County|Toole County|Jefferson County|Dona Ana County|La Porte County|Williamson County}', nullif('{TN|GA|IL|TX|OH|KY|CA|VA|OR|IN|MS|NM|LA|}', ''),
  '{24128|76232|35709|38370|85669|86197|88274|83405}', '{United States|United States|United States|Chile}', -5 - {3}, '{apartment|condo|single family}'
  FROM generate_series(1, 150) AS i;
INSERT INTO customer_demographics SELECT
  i, (ARRAY['M', 'F'])[1 + i % 2], (ARRAY['M', 'S', 'D', 'W', 'U'])[1 + i % 5],
  (ARRAY['College', '2 yr Degree', '4 yr Degree', 'Advanced Degree', 'Unknown', 'Primary', 'Secondary'])[1 + i % 7], 500 * {20},
  '{Good|Low Risk|High Risk|Unknown}', {7}, {7}, {7}
  FROM generate_series(1, 140) AS i;
INSERT INTO household_demographics SELECT
  i, 1 + {20}, '{>10000|Unknown|501-1000|1001-5000}', i % 10, {6} - 1
  FROM generate_series(1, 60) AS i;
INSERT INTO income_band SELECT
  i, (i - 1) * 10000 + 1, i * 10000
  FROM generate_series(1, 20) AS i;
INSERT INTO store SELECT
  i, 'STORE' || (i + 1) / 2, NULL, NULL, NULL, (ARRAY['ese', 'able', 'ought', 'ese', 'bar', 'ation'])[i], 200 + {90}, 5000000 + {1000000}, '8AM-8AM',
  nullif('{alpha|beta|gamma|}', ''), (ARRAY[8, 2, 8, 8, 8, 5])[i], nullif('{alpha|beta|gamma|}', ''), nullif('{alpha|beta|gamma|}', ''),
  nullif('{alpha|beta|gamma|}', ''), {100}, nullif('{alpha|beta|gamma|}', ''), 1, 'Unknown', nullif('{alpha|beta|gamma|}', ''),
  nullif('{alpha|beta|gamma|}', ''), nullif('{alpha|beta|gamma|}', ''), nullif('{alpha|beta|gamma|}', ''),
  (ARRAY['Fairview', 'Midway', 'Midway', 'Fairview', 'Midway', 'Oakland'])[i],
  (ARRAY['Williamson County', 'Williamson County', 'Orange County', 'Bronx County', 'Franklin Parish', 'Williamson County'])[i],
  (ARRAY['TN', 'TN', 'TN', 'TN', 'GA', NULL])[i], (ARRAY['24128', '76232', '35709', '38370', '85669', '86197'])[i], nullif('{alpha|beta|gamma|}', ''),
  (ARRAY[-5, -5, -6, -5, -7, NULL])[i], {12} / 100.0
  FROM generate_series(1, 6) AS i;
INSERT INTO call_center SELECT
  i, 'CENTER' || i, NULL, NULL, 2450815 + {1826}, 2450815 + {1826}, '{NY Metro|Mid Atlantic|North} ' || i, nullif('{alpha|beta|gamma|}', ''), {100}, {100},
  nullif('{alpha|beta|gamma|}', ''), '{Bob|Mark|Larry} B', {100}, nullif('{alpha|beta|gamma|}', ''), nullif('{alpha|beta|gamma|}', ''),
  nullif('{alpha|beta|gamma|}', ''), {100}, nullif('{alpha|beta|gamma|}', ''), {100}, nullif('{alpha|beta|gamma|}', ''), nullif('{alpha|beta|gamma|}', ''),
  nullif('{alpha|beta|gamma|}', ''), nullif('{alpha|beta|gamma|}', ''), nullif('{alpha|beta|gamma|}', ''), nullif('{alpha|beta|gamma|}', ''),
  'Williamson County', '{Y|N}', nullif('{alpha|beta|gamma|}', ''), nullif('{alpha|beta|gamma|}', ''), -5, {12} / 100.0
  FROM generate_series(1, 3) AS i;
INSERT INTO catalog_page SELECT
  i, 'PAGE' || i, 2450815 + {1826}, 2450815 + {1826}, nullif('{alpha|beta|gamma|}', ''), {100}, {100}, nullif('{alpha|beta|gamma|}', ''),
  nullif('{alpha|beta|gamma|}', '')
  FROM generate_series(1, 10) AS i;
INSERT INTO warehouse SELECT
  i, 'WH' || i, (ARRAY['Conventional childr', NULL, 'Bad cards must make.'])[i], 100000 * i, nullif('{alpha|beta|gamma|}', ''),
  nullif('{alpha|beta|gamma|}', ''), nullif('{alpha|beta|gamma|}', ''), nullif('{alpha|beta|gamma|}', ''), nullif('{alpha|beta|gamma|}', ''),
  nullif('{alpha|beta|gamma|}', ''), 'TN', nullif('{alpha|beta|gamma|}', ''), nullif('{alpha|beta|gamma|}', ''), -5
  FROM generate_series(1, 3) AS i;
INSERT INTO web_site SELECT
  i, 'SITE' || (i + 1) / 2, NULL, NULL, 'site_' || i / 2, 2450815 + {1826}, 2450815 + {1826}, nullif('{alpha|beta|gamma|}', ''),
  nullif('{alpha|beta|gamma|}', ''), {100}, nullif('{alpha|beta|gamma|}', ''), nullif('{alpha|beta|gamma|}', ''), nullif('{alpha|beta|gamma|}', ''), {100},
  (ARRAY['pri', 'able', 'pri', 'ought'])[i], nullif('{alpha|beta|gamma|}', ''), nullif('{alpha|beta|gamma|}', ''), nullif('{alpha|beta|gamma|}', ''),
  nullif('{alpha|beta|gamma|}', ''), nullif('{alpha|beta|gamma|}', ''), nullif('{alpha|beta|gamma|}', ''), '{Y|N}', nullif('{alpha|beta|gamma|}', ''),
  nullif('{alpha|beta|gamma|}', ''), -5, {12} / 100.0
  FROM generate_series(1, 4) AS i;
INSERT INTO web_page SELECT
  i, 'WP' || i, NULL, NULL, 2450815 + {1826}, 2450815 + {1826}, '{Y|N}', nullif({251}, 0), nullif('{alpha|beta|gamma|}', ''), nullif('{alpha|beta|gamma|}', ''),
  4900 + {400}, {100}, {100}, {100}
  FROM generate_series(1, 10) AS i;
INSERT INTO promotion SELECT
  i, 'PROMO' || i, 2450815 + {1826}, 2450815 + {1826}, 1 + {200}, {30000} / 100.0, {100}, nullif('{alpha|beta|gamma|}', ''), '{Y|N}', '{Y|N|N}', '{Y|N}',
  '{Y|N|N}', '{Y|N}', '{Y|N}', '{N|N|Y}', '{Y|N}', nullif('{alpha|beta|gamma|}', ''), nullif('{alpha|beta|gamma|}', ''), '{Y|N}'
  FROM generate_series(1, 10) AS i;
INSERT INTO reason SELECT
  i, 'R' || i, 'reason ' || i
  FROM generate_series(1, 30) AS i;
INSERT INTO ship_mode SELECT
  i, 'SM' || i, '{EXPRESS|NEXT DAY|OVERNIGHT|REGULAR}', '{AIR|SURFACE|SEA}', '{DHL|BARIAN|UPS|FEDEX}', nullif('{alpha|beta|gamma|}', '')
  FROM generate_series(1, 10) AS i;
INSERT INTO inventory SELECT
  d, item, w, nullif({700}, 0)
  FROM (SELECT item * 10000 + w * 1000 + n AS i, item, w, 2451179 + 14 * n AS d FROM generate_series(1, 200) AS item, generate_series(1, 3) AS w, generate_series(1, 60) AS n) AS x WHERE {4} = 0 OR item % 10 = 0 AND {2} = 0;
INSERT INTO store_sales SELECT
  nullif(d, 2450815), tm, item, nullif(c, 0), nullif({141}, 0), nullif(h, 0), nullif(a, 0), nullif(s, 0), nullif({11}, 0), t, nullif({101}, 0),
  1 + {10000} / 100.0, 1 + {20000} / 100.0, nullif({20000}, 0) / 100.0, {200000} / 100.0, nullif({1900000}, 0) / 100.0, {900000} / 100.0, {1900000} / 100.0,
  {30000} / 100.0, {5} / 3 * {1500000} / 100.0, nullif({1900000}, 0) / 100.0, {1900000} / 100.0, {2000000} / 100.0 - 5000
  FROM (SELECT i * 100 + l AS i, i AS t, 1 + (i * 7 + l * 13) % 200 AS item, c, d, tm, h, a, s FROM (SELECT i, {251} AS c, 2450815 + {1826} AS d, {288} * 300 AS tm, {61} AS h, {151} AS a, {7} AS s FROM generate_series(1, 2000) AS i) AS y, generate_series(1, CASE WHEN i % 25 = 0 THEN 17 ELSE 1 + i % 7 END) AS l) AS x;
INSERT INTO store_returns SELECT
  ss_sold_date_sk + 1 + {80}, {288} * 300, ss_item_sk, ss_customer_sk, nullif({141}, 0), nullif({61}, 0), nullif({151}, 0), ss_store_sk, nullif({31}, 0),
  ss_ticket_number, nullif(ss_quantity - {3}, 0), {1200000} / 100.0, {30000} / 100.0, {30000} / 100.0, {30000} / 100.0, {30000} / 100.0, {30000} / 100.0,
  {30000} / 100.0, {30000} / 100.0, {300000} / 100.0
  FROM (SELECT ss_ticket_number * 200 + ss_item_sk AS i, store_sales.* FROM store_sales) AS x WHERE {5} = 0;
INSERT INTO catalog_sales SELECT
  nullif(d, 2450815), {288} * 300, d + {130}, nullif(c, 0), nullif({141}, 0), nullif({61}, 0), nullif({151}, 0), nullif(c, 0), nullif({141}, 0), nullif({61}, 0),
  nullif(a, 0), nullif({4}, 0), nullif({11}, 0), nullif({11}, 0), nullif({4}, 0), item, nullif({11}, 0), o, nullif({101}, 0), 1 + {10000} / 100.0,
  1 + {20000} / 100.0, nullif({20000}, 0) / 100.0, {200000} / 100.0, nullif({1900000}, 0) / 100.0, {900000} / 100.0, {1900000} / 100.0, {30000} / 100.0,
  {5} / 3 * {1500000} / 100.0, {30000} / 100.0, nullif({1900000}, 0) / 100.0, {1900000} / 100.0, {30000} / 100.0, {30000} / 100.0, {2000000} / 100.0 - 5000
  FROM (SELECT i * 100 + l AS i, i AS o, 1 + (i * 11 + l * 17) % 200 AS item, c, d, a FROM (SELECT i, {251} AS c, 2450815 + {1826} AS d, {151} AS a FROM generate_series(1, 1400) AS i) AS y, generate_series(1, 1 + i % 6) AS l
    UNION ALL SELECT sr_ticket_number * 100, 10000 + sr_ticket_number, sr_item_sk, sr_customer_sk, sr_returned_date_sk + sr_ticket_number % 60, sr_addr_sk FROM store_returns WHERE sr_ticket_number % 3 = 0) AS x;
INSERT INTO catalog_returns SELECT
  cs_sold_date_sk + 1 + {80}, {288} * 300, cs_item_sk, cs_bill_customer_sk, nullif({141}, 0), nullif({61}, 0), nullif({151}, 0), cs_bill_customer_sk,
  nullif({141}, 0), nullif({61}, 0), nullif({151}, 0), cs_call_center_sk, cs_catalog_page_sk, nullif({11}, 0), nullif({4}, 0), nullif({31}, 0), cs_order_number,
  nullif(cs_quantity - {3}, 0), {1200000} / 100.0, {30000} / 100.0, {30000} / 100.0, {30000} / 100.0, {30000} / 100.0, {30000} / 100.0, {30000} / 100.0,
  {30000} / 100.0, {300000} / 100.0
  FROM (SELECT cs_order_number * 200 + cs_item_sk AS i, catalog_sales.* FROM catalog_sales) AS x WHERE {5} = 0;
INSERT INTO web_sales SELECT
  nullif(d, 2450815), {288} * 300, d + {130}, item, nullif(c, 0), nullif({141}, 0), nullif({61}, 0), nullif({151}, 0), nullif(c, 0), nullif({141}, 0),
  nullif({61}, 0), nullif(a, 0), nullif({11}, 0), nullif(s, 0), nullif({11}, 0), nullif({4}, 0), nullif({11}, 0), o, nullif({101}, 0), 1 + {10000} / 100.0,
  1 + {20000} / 100.0, nullif({20000}, 0) / 100.0, {200000} / 100.0, nullif({1900000}, 0) / 100.0, {900000} / 100.0, {1900000} / 100.0, {30000} / 100.0,
  {5} / 3 * {1500000} / 100.0, {30000} / 100.0, nullif({1900000}, 0) / 100.0, {1900000} / 100.0, {30000} / 100.0, {30000} / 100.0, {2000000} / 100.0 - 5000
  FROM (SELECT i * 100 + l AS i, i AS o, 1 + (i * 3 + l * 29) % 200 AS item, c, d, a, s FROM (SELECT i, {251} AS c, 2450815 + {1826} AS d, {151} AS a, {5} AS s FROM generate_series(1, 1200) AS i) AS y, generate_series(1, 1 + i % 6) AS l) AS x;
INSERT INTO web_returns SELECT
  ws_sold_date_sk + 1 + {80}, {288} * 300, ws_item_sk, nullif({251}, 0), nullif({141}, 0), nullif({61}, 0), nullif({151}, 0), ws_bill_customer_sk,
  nullif({141}, 0), nullif({61}, 0), nullif({151}, 0), ws_web_page_sk, nullif({31}, 0), ws_order_number, nullif(ws_quantity - {3}, 0), {1200000} / 100.0,
  {30000} / 100.0, {30000} / 100.0, {30000} / 100.0, {30000} / 100.0, {30000} / 100.0, {30000} / 100.0, {30000} / 100.0, {300000} / 100.0
  FROM (SELECT ws_order_number * 200 + ws_item_sk AS i, web_sales.* FROM web_sales) AS x WHERE {4} = 0;
