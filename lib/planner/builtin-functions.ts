/**
 * Names of the functions in pg_catalog by the most volatile of their overloads (PostgreSQL 18; functions of input,
 * output and support of types are left out, but for hashes that depend on no OID). A name that isn't here counts as a user's own function of unknown volatility.
 */
const IMMUTABLE = names(`
  hash_numeric hash_numeric_extended hashbool hashboolextended hashbpchar hashbpcharextended hashbytea hashbyteaextended
  hashchar hashcharextended hashdate hashdateextended hashfloat4 hashfloat4extended hashfloat8 hashfloat8extended
  hashinet hashinetextended hashint2 hashint2extended hashint4 hashint4extended hashint8 hashint8extended hashmacaddr
  hashmacaddr8 hashmacaddr8extended hashmacaddrextended hashname hashnameextended hashtext hashtextextended
  btrim jsonb_extract_path jsonb_extract_path_text json_extract_path json_extract_path_text
  abbrev abs acldefault acos acosd acosh area array_append array_cat array_dims array_fill array_length array_lower
  array_ndims array_position array_positions array_prepend array_remove array_replace array_reverse array_sort
  array_to_tsvector array_upper ascii asin asind asinh atan atan2 atan2d atand atanh bit_count bit_length bitcmp
  bittypmodin bool booland_statefunc boolor_statefunc boolsend bound_box box bpchar bpcharcmp bpchartypmodin broadcast
  byteacmp byteasend cardinality casefold cash_cmp cash_words cashlarger cashsmaller cbrt ceil ceiling center char
  char_length character_length charsend chr cidsend circle cos cosd cosh cot cotd crc32 crc32c date_bin date_cmp
  date_cmp_timestamp date_mi datemultirange daterange daterange_canonical daterange_subdiff decode degrees dexp
  diagonal diameter div dlog1 dlog10 dround dtrunc encode enum_cmp erf erfc exp factorial family float4 float4larger
  float4send float4smaller float8 float8larger float8send float8smaller floor gamma gcd generate_subscripts get_bit
  get_byte height host hostmask icu_unicode_version inet_merge inet_same_family initcap int2 int2_sum int2int4_sum
  int2larger int2send int2smaller int2vectorsend int4 int4_sum int4inc int4larger int4multirange int4range
  int4range_canonical int4range_subdiff int4send int4smaller int8 int8_sum int8dec int8dec_any int8inc int8inc_any
  int8inc_float8_float8 int8larger int8multirange int8range int8range_canonical int8range_subdiff int8send int8smaller
  interval interval_cmp interval_hash interval_hash_extended intervaltypmodin is_normalized isclosed isempty isfinite
  ishorizontal isopen isparallel isperp isvertical json_array_elements json_array_elements_text json_array_length
  json_each json_each_text json_object json_object_keys json_strip_nulls json_typeof jsonb_array_elements
  jsonb_array_elements_text jsonb_array_length jsonb_cmp jsonb_concat jsonb_delete jsonb_each jsonb_each_text
  jsonb_hash jsonb_hash_extended jsonb_insert jsonb_object jsonb_object_keys jsonb_path_exists jsonb_path_match
  jsonb_path_query jsonb_path_query_array jsonb_path_query_first jsonb_pretty jsonb_set jsonb_set_lax
  jsonb_strip_nulls jsonb_typeof justify_days justify_hours justify_interval lcm left lgamma like like_escape line ln
  log log10 lower lower_inc lower_inf lpad lseg ltrim macaddr8_cmp macaddr8_set7bit macaddr_cmp make_date
  make_interval make_time make_timestamp makeaclitem masklen md5 min_scale mod multirange multirange_cmp name
  nameconcatoid netmask network network_cmp normalize notlike npoints num_nonnulls num_nulls numeric_cmp
  numeric_div_trunc numeric_exp numeric_inc numeric_ln numeric_log numeric_sqrt numerictypmodin nummultirange numnode
  numrange numrange_subdiff octet_length oid oidlarger oidsend oidsmaller oidvectorsend overlay parse_ident pclose
  pg_size_bytes pg_size_pretty pi point polygon popen position postgresql_fdw_validator pow power querytree
  quote_ident radians radius range_cmp range_merge regclasssend regcollationsend regconfigsend regdictionarysend
  regexp_count regexp_instr regexp_like regexp_match regexp_matches regexp_replace regexp_split_to_array
  regexp_split_to_table regexp_substr regnamespacesend regoperatorsend regopersend regproceduresend regprocsend
  regrolesend regtypesend repeat replace reverse right round rpad rtrim satisfies_hash_partition scale set_bit
  set_byte set_masklen setweight sha224 sha256 sha384 sha512 sign similar_escape similar_to_escape sin sind sinh slope
  split_part sqrt starts_with string_to_array string_to_table strip strpos substr substring tan tand tanh text textcat
  textlen tidlarger tidsend tidsmaller time_cmp time_hash time_hash_extended timestamp_cmp timestamp_cmp_date
  timestamp_hash timestamp_hash_extended timestamptypmodin timestamptz_cmp timestamptz_hash timestamptz_hash_extended
  timestamptztypmodin timetypmodin timetz_cmp timetz_hash timetz_hash_extended timetztypmodin to_ascii to_bin to_hex
  to_oct translate trim_array trim_scale trunc ts_delete ts_filter ts_lexize ts_rank ts_rank_cd tsmultirange
  tsquery_cmp tsquery_phrase tsquerysend tsrange tsrange_subdiff tstzmultirange tstzrange tstzrange_subdiff
  tsvector_cmp tsvector_to_array tsvectorsend unicode_assigned unicode_version unistr unknownsend unnest upper
  upper_inc upper_inf uuid_cmp uuid_extract_timestamp uuid_extract_version uuid_hash uuid_hash_extended varbitcmp
  varbittypmodin varchar varchartypmodin width width_bucket xid8cmp xid8send xidsend xml_is_well_formed_content
  xml_is_well_formed_document xmlcomment xmlconcat2 xmlexists xmltext xmlvalidate xpath xpath_exists
`)

const STABLE = names(`
  aclexplode age array_to_json array_to_string bpcharsend concat concat_ws convert convert_from convert_to
  current_database current_schema current_schemas current_setting current_user date date_add date_cmp_timestamptz
  date_part date_subtract date_trunc enum_first enum_last enum_range extract fmgr_c_validator fmgr_internal_validator
  fmgr_sql_validator format format_type generate_series get_current_ts_config getdatabaseencoding getpgusername
  json_build_array json_build_object json_populate_record json_populate_recordset json_to_record json_to_recordset
  json_to_tsvector jsonb_build_array jsonb_build_object jsonb_path_exists_tz jsonb_path_match_tz
  jsonb_path_query_array_tz jsonb_path_query_first_tz jsonb_path_query_tz jsonb_populate_record
  jsonb_populate_record_valid jsonb_populate_recordset jsonb_to_record jsonb_to_recordset jsonb_to_tsvector length
  make_timestamptz money mxid_age namesend now numeric oidvectortypes overlaps pg_client_encoding pg_column_size
  pg_input_is_valid pg_typeof phraseto_tsquery plainto_tsquery quote_literal quote_nullable regclass row_to_json
  session_user statement_timestamp system_user textsend time timestamp timestamp_cmp_timestamptz timestamptz
  timestamptz_cmp_date timestamptz_cmp_timestamp timezone to_char to_date to_json to_jsonb to_number to_timestamp
  to_tsquery to_tsvector transaction_timestamp ts_debug ts_headline ts_parse ts_token_type varcharsend
  websearch_to_tsquery xml xml_is_well_formed
`)

const VOLATILE = names(`
  array_sample array_shuffle clock_timestamp gen_random_uuid pg_sleep random random_normal timeofday uuidv4 uuidv7
`)

/** Their value depends on the node or on the objects of its catalogs: wrong when another node evaluates them. */
const NODE_DEPENDENT = names(`
  col_description current_query currtid2 currval cursor_to_xml cursor_to_xmlschema database_to_xml
  database_to_xml_and_xmlschema database_to_xmlschema has_any_column_privilege has_column_privilege
  has_database_privilege has_foreign_data_wrapper_privilege has_function_privilege has_language_privilege
  has_largeobject_privilege has_parameter_privilege has_schema_privilege has_sequence_privilege has_server_privilege
  has_table_privilege has_tablespace_privilege has_type_privilege inet_client_addr inet_client_port inet_server_addr
  inet_server_port lastval lo_close lo_creat lo_create lo_export lo_from_bytea lo_get lo_import lo_lseek lo_lseek64
  lo_open lo_put lo_tell lo_tell64 lo_truncate lo_truncate64 lo_unlink loread lowrite nextval obj_description
  pg_advisory_lock pg_advisory_lock_shared pg_advisory_unlock pg_advisory_unlock_all pg_advisory_unlock_shared
  pg_advisory_xact_lock pg_advisory_xact_lock_shared pg_available_extension_versions pg_available_extensions
  pg_available_wal_summaries pg_backend_pid pg_backup_start pg_backup_stop pg_basetype pg_blocking_pids
  pg_cancel_backend pg_char_to_encoding pg_clear_attribute_stats pg_clear_relation_stats pg_collation_actual_version
  pg_collation_for pg_collation_is_visible pg_column_compression pg_column_is_updatable pg_column_toast_chunk_id
  pg_conf_load_time pg_config pg_control_checkpoint pg_control_init pg_control_recovery pg_control_system
  pg_conversion_is_visible pg_copy_logical_replication_slot pg_copy_physical_replication_slot
  pg_create_logical_replication_slot pg_create_physical_replication_slot pg_create_restore_point pg_current_logfile
  pg_current_snapshot pg_current_wal_flush_lsn pg_current_wal_insert_lsn pg_current_wal_lsn pg_current_xact_id
  pg_current_xact_id_if_assigned pg_cursor pg_database_collation_actual_version pg_database_size pg_describe_object
  pg_drop_replication_slot pg_encoding_max_length pg_encoding_to_char pg_event_trigger_ddl_commands
  pg_event_trigger_dropped_objects pg_event_trigger_table_rewrite_oid pg_event_trigger_table_rewrite_reason
  pg_export_snapshot pg_extension_config_dump pg_extension_update_paths pg_filenode_relation pg_function_is_visible
  pg_get_acl pg_get_aios pg_get_backend_memory_contexts pg_get_catalog_foreign_keys pg_get_constraintdef pg_get_expr
  pg_get_function_arg_default pg_get_function_arguments pg_get_function_identity_arguments pg_get_function_result
  pg_get_function_sqlbody pg_get_functiondef pg_get_indexdef pg_get_keywords pg_get_loaded_modules
  pg_get_multixact_members pg_get_object_address pg_get_partition_constraintdef pg_get_partkeydef
  pg_get_publication_tables pg_get_replica_identity_index pg_get_replication_slots pg_get_ruledef pg_get_sequence_data
  pg_get_serial_sequence pg_get_shmem_allocations pg_get_shmem_allocations_numa pg_get_statisticsobjdef
  pg_get_statisticsobjdef_columns pg_get_statisticsobjdef_expressions pg_get_triggerdef pg_get_userbyid pg_get_viewdef
  pg_get_wait_events pg_get_wal_replay_pause_state pg_get_wal_resource_managers pg_get_wal_summarizer_state
  pg_has_role pg_hba_file_rules pg_ident_file_mappings pg_identify_object pg_identify_object_as_address
  pg_import_system_collations pg_index_column_has_property pg_index_has_property pg_indexam_has_property
  pg_indexam_progress_phasename pg_indexes_size pg_input_error_info pg_is_in_recovery pg_is_other_temp_schema
  pg_is_wal_replay_paused pg_isolation_test_session_is_blocked pg_jit_available pg_last_committed_xact
  pg_last_wal_receive_lsn pg_last_wal_replay_lsn pg_last_xact_replay_timestamp pg_listening_channels pg_lock_status
  pg_log_backend_memory_contexts pg_log_standby_snapshot pg_ls_archive_statusdir pg_ls_dir pg_ls_logdir
  pg_ls_logicalmapdir pg_ls_logicalsnapdir pg_ls_replslotdir pg_ls_summariesdir pg_ls_tmpdir pg_ls_waldir pg_lsn
  pg_lsn_cmp pg_lsn_hash pg_lsn_hash_extended pg_mcv_list_items pg_my_temp_schema pg_nextoid
  pg_notification_queue_usage pg_notify pg_numa_available pg_opclass_is_visible pg_operator_is_visible
  pg_opfamily_is_visible pg_options_to_table pg_partition_ancestors pg_partition_root pg_partition_tree
  pg_postmaster_start_time pg_prepared_statement pg_prepared_xact pg_promote pg_read_binary_file pg_read_file
  pg_relation_filenode pg_relation_filepath pg_relation_is_publishable pg_relation_is_updatable pg_relation_size
  pg_reload_conf pg_restore_attribute_stats pg_restore_relation_stats pg_rotate_logfile pg_safe_snapshot_blocking_pids
  pg_sequence_last_value pg_sequence_parameters pg_settings_get_flags pg_show_all_file_settings pg_show_all_settings
  pg_show_replication_origin_status pg_sleep_for pg_sleep_until pg_snapshot_xip pg_snapshot_xmax pg_snapshot_xmin
  pg_split_walfile_name pg_stat_clear_snapshot pg_stat_file pg_stat_force_next_flush pg_stat_have_stats pg_stat_reset
  pg_stat_reset_backend_stats pg_stat_reset_replication_slot pg_stat_reset_shared
  pg_stat_reset_single_function_counters pg_stat_reset_single_table_counters pg_stat_reset_slru
  pg_stat_reset_subscription_stats pg_statistics_obj_is_visible pg_stop_making_pinned_objects pg_switch_wal
  pg_sync_replication_slots pg_table_is_visible pg_table_size pg_tablespace_databases pg_tablespace_location
  pg_tablespace_size pg_terminate_backend pg_timezone_abbrevs_abbrevs pg_timezone_abbrevs_zone pg_timezone_names
  pg_total_relation_size pg_trigger_depth pg_try_advisory_lock pg_try_advisory_lock_shared pg_try_advisory_xact_lock
  pg_try_advisory_xact_lock_shared pg_ts_config_is_visible pg_ts_dict_is_visible pg_ts_parser_is_visible
  pg_ts_template_is_visible pg_type_is_visible pg_visible_in_snapshot pg_wal_lsn_diff pg_wal_replay_pause
  pg_wal_replay_resume pg_wal_summary_contents pg_walfile_name pg_walfile_name_offset pg_xact_commit_timestamp
  pg_xact_commit_timestamp_origin pg_xact_status plpgsql_validator query_to_xml query_to_xml_and_xmlschema
  query_to_xmlschema row_security_active schema_to_xml schema_to_xml_and_xmlschema schema_to_xmlschema set_config
  setseed setval shobj_description table_to_xml table_to_xml_and_xmlschema table_to_xmlschema to_regclass
  to_regcollation to_regnamespace to_regoper to_regoperator to_regproc to_regprocedure to_regrole to_regtype
  to_regtypemod ts_rewrite ts_stat txid_current txid_current_if_assigned txid_current_snapshot txid_snapshot_xip
  txid_snapshot_xmax txid_snapshot_xmin txid_status txid_visible_in_snapshot version
`)

const AGGREGATES = names(`
  any_value array_agg avg bit_and bit_or bit_xor bool_and bool_or corr count covar_pop covar_samp cume_dist dense_rank
  every json_agg json_object_agg json_object_agg_strict json_object_agg_unique json_object_agg_unique_strict jsonb_agg
  jsonb_object_agg jsonb_object_agg_strict jsonb_object_agg_unique jsonb_object_agg_unique_strict max min mode
  percent_rank percentile_cont percentile_disc range_agg range_intersect_agg rank regr_avgx regr_avgy regr_count
  regr_intercept regr_r2 regr_slope regr_sxx regr_sxy regr_syy stddev stddev_pop stddev_samp string_agg sum var_pop
  var_samp variance xmlagg
`)

const WINDOW_FUNCTIONS = names(`
  first_value lag last_value lead nth_value ntile row_number
`)

const SET_RETURNING = names(`
  generate_subscripts json_array_elements json_array_elements_text json_each json_each_text json_object_keys
  jsonb_array_elements jsonb_array_elements_text jsonb_each jsonb_each_text jsonb_object_keys jsonb_path_query
  regexp_matches regexp_split_to_table string_to_table unnest aclexplode generate_series json_populate_recordset
  json_to_recordset jsonb_path_query_tz jsonb_populate_recordset jsonb_to_recordset ts_debug ts_parse ts_token_type
`)

export type FunctionClass =
  | 'immutable'
  | 'stable'
  | 'volatile'
  | 'node-dependent'
  | 'aggregate'
  | 'window'
  | 'unknown'

/** `name` as the parser gives it, without pg_catalog. */
export function classifyFunction(name: string): FunctionClass {
  if (NODE_DEPENDENT.has(name)) return 'node-dependent'
  if (VOLATILE.has(name)) return 'volatile'
  if (AGGREGATES.has(name)) return 'aggregate'
  if (STABLE.has(name)) return 'stable'
  if (IMMUTABLE.has(name)) return 'immutable'
  if (WINDOW_FUNCTIONS.has(name)) return 'window'
  return 'unknown'
}

export function isSetReturning(name: string): boolean {
  return SET_RETURNING.has(name)
}

function names(list: string): ReadonlySet<string> {
  return new Set(list.trim().split(/\s+/))
}
