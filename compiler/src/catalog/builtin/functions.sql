-- Functions over the catalog, each as what it means: name(types of $1, $2 …) type AS an expression, or SETOF type AS a query.
-- `any` takes a value of any type as it is. Where Tidewater lacks what a function is about (triggers, policies), it says NULL.

-- Visibility: everything but relations lives in pg_catalog, which is on every path.
pg_table_is_visible(oid) bool AS $1 = ANY (tw_visible_relations());
pg_type_is_visible(oid) bool AS CASE WHEN $1 IS NOT NULL THEN true END;
pg_function_is_visible(oid) bool AS CASE WHEN $1 IS NOT NULL THEN true END;
pg_operator_is_visible(oid) bool AS CASE WHEN $1 IS NOT NULL THEN true END;
pg_opclass_is_visible(oid) bool AS CASE WHEN $1 IS NOT NULL THEN true END;
pg_opfamily_is_visible(oid) bool AS CASE WHEN $1 IS NOT NULL THEN true END;
pg_collation_is_visible(oid) bool AS CASE WHEN $1 IS NOT NULL THEN true END;
pg_conversion_is_visible(oid) bool AS CASE WHEN $1 IS NOT NULL THEN true END;
pg_statistics_obj_is_visible(oid) bool AS CASE WHEN $1 IS NOT NULL THEN true END;
pg_ts_config_is_visible(oid) bool AS CASE WHEN $1 IS NOT NULL THEN true END;
pg_ts_dict_is_visible(oid) bool AS CASE WHEN $1 IS NOT NULL THEN true END;
pg_ts_parser_is_visible(oid) bool AS CASE WHEN $1 IS NOT NULL THEN true END;
pg_ts_template_is_visible(oid) bool AS CASE WHEN $1 IS NOT NULL THEN true END;
pg_is_other_temp_schema(oid) bool AS CASE WHEN $1 IS NOT NULL THEN false END;
pg_my_temp_schema() oid AS 0;

-- Privileges: every user may do everything.
has_table_privilege(any, text) bool AS true;
has_table_privilege(any, any, text) bool AS true;
has_any_column_privilege(any, text) bool AS true;
has_any_column_privilege(any, any, text) bool AS true;
has_column_privilege(any, any, text) bool AS true;
has_column_privilege(any, any, any, text) bool AS true;
has_schema_privilege(any, text) bool AS true;
has_schema_privilege(any, any, text) bool AS true;
has_database_privilege(any, text) bool AS true;
has_database_privilege(any, any, text) bool AS true;
has_function_privilege(any, text) bool AS true;
has_function_privilege(any, any, text) bool AS true;
has_sequence_privilege(any, text) bool AS true;
has_sequence_privilege(any, any, text) bool AS true;
has_type_privilege(any, text) bool AS true;
has_type_privilege(any, any, text) bool AS true;
has_language_privilege(any, text) bool AS true;
has_language_privilege(any, any, text) bool AS true;
has_tablespace_privilege(any, text) bool AS true;
has_tablespace_privilege(any, any, text) bool AS true;
has_server_privilege(any, text) bool AS true;
has_foreign_data_wrapper_privilege(any, text) bool AS true;
pg_has_role(any, text) bool AS true;
pg_has_role(any, any, text) bool AS true;
row_security_active(any) bool AS false;

-- Names.
pg_get_userbyid(oid) name AS
    coalesce((SELECT a.rolname FROM pg_authid a WHERE a.oid = $1), CAST('unknown (OID=' || CAST($1 AS text) || ')' AS name));
pg_encoding_to_char(int4) name AS CASE $1 WHEN 6 THEN 'UTF8' WHEN 0 THEN 'SQL_ASCII' ELSE '' END;
pg_char_to_encoding(name) int4 AS CASE upper($1) WHEN 'UTF8' THEN 6 WHEN 'SQL_ASCII' THEN 0 ELSE -1 END;
getdatabaseencoding() name AS 'UTF8';
pg_client_encoding() name AS 'UTF8';
-- What a text, a regclass or the like means: names as SQL writes them, qualified unless the path leads to them.
to_regclass(text) regclass AS
    (SELECT c.oid FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
     WHERE n.nspname = CASE WHEN array_length(parse_ident($1), 1) = 2 THEN (parse_ident($1))[1] ELSE n.nspname END
       AND c.relname = (parse_ident($1))[array_length(parse_ident($1), 1)]
       AND (array_length(parse_ident($1), 1) = 2 OR pg_table_is_visible(c.oid)));
to_regnamespace(text) regnamespace AS (SELECT n.oid FROM pg_namespace n WHERE n.nspname = (parse_ident($1))[1]);
to_regrole(text) regrole AS (SELECT a.oid FROM pg_authid a WHERE a.rolname = (parse_ident($1))[1]);
to_regproc(text) regproc AS
    (SELECT min(p.oid) FROM pg_proc p WHERE p.proname = (parse_ident($1))[array_length(parse_ident($1), 1)]);
tw_setting(text) text AS (SELECT s.setting FROM pg_settings s WHERE s.name = lower($1));
version() text AS 'PostgreSQL ' || coalesce(current_setting('server_version', true), '');
tw_relation_name(oid) text AS
    (SELECT CASE WHEN pg_table_is_visible(c.oid) THEN '' ELSE quote_ident(n.nspname) || '.' END || quote_ident(c.relname)
     FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE c.oid = $1);
tw_type_name(oid) text AS format_type($1, NULL);
tw_function_name(oid) text AS (SELECT p.proname FROM pg_proc p WHERE p.oid = $1);
tw_schema_name(oid) text AS (SELECT quote_ident(n.nspname) FROM pg_namespace n WHERE n.oid = $1);
tw_role_name(oid) text AS (SELECT quote_ident(a.rolname) FROM pg_authid a WHERE a.oid = $1);

-- Definitions.
pg_get_expr(text, oid) text AS $1;
pg_get_expr(text, oid, bool) text AS $1;
pg_get_viewdef(oid) text AS (SELECT r.ev_action || ';' FROM pg_rewrite r WHERE r.ev_class = $1);
pg_get_viewdef(oid, bool) text AS (SELECT r.ev_action || ';' FROM pg_rewrite r WHERE r.ev_class = $1);
pg_get_viewdef(oid, int4) text AS (SELECT r.ev_action || ';' FROM pg_rewrite r WHERE r.ev_class = $1);
pg_get_ruledef(oid) text AS NULL;
pg_get_ruledef(oid, bool) text AS NULL;
tw_index_columns(oid) text AS
    (SELECT string_agg(quote_ident(a.attname), ', ' ORDER BY a.attnum) FROM pg_attribute a WHERE a.attrelid = $1);
pg_get_indexdef(oid) text AS
    (SELECT 'CREATE ' || CASE WHEN i.indisunique THEN 'UNIQUE ' ELSE '' END || 'INDEX ' || quote_ident(c.relname) || ' ON '
            || quote_ident(n.nspname) || '.' || quote_ident(t.relname) || ' USING btree (' || tw_index_columns($1) || ')'
     FROM pg_index i
     JOIN pg_class c ON c.oid = i.indexrelid
     JOIN pg_class t ON t.oid = i.indrelid
     JOIN pg_namespace n ON n.oid = t.relnamespace
     WHERE i.indexrelid = $1);
pg_get_indexdef(oid, int4, bool) text AS
    CASE WHEN $2 = 0 THEN pg_get_indexdef($1)
         ELSE (SELECT quote_ident(a.attname) FROM pg_attribute a WHERE a.attrelid = $1 AND a.attnum = $2) END;
pg_index_column_has_property(regclass, int4, text) bool AS $3 IN ('asc', 'nulls_last', 'orderable', 'returnable', 'search_array');
pg_get_constraintdef(oid) text AS
    (SELECT CASE c.contype WHEN 'c' THEN 'CHECK ((' || pg_get_expr(c.conbin, c.conrelid) || '))'
                           WHEN 'p' THEN 'PRIMARY KEY (' || tw_index_columns(c.conindid) || ')'
                           ELSE 'UNIQUE (' || tw_index_columns(c.conindid) || ')' END
     FROM pg_constraint c WHERE c.oid = $1);
pg_get_constraintdef(oid, bool) text AS
    (SELECT CASE WHEN $2 AND c.contype = 'c' THEN 'CHECK (' || pg_get_expr(c.conbin, c.conrelid) || ')'
                 ELSE pg_get_constraintdef($1) END
     FROM pg_constraint c WHERE c.oid = $1);
pg_get_partkeydef(oid) text AS NULL;
pg_get_partition_constraintdef(oid) text AS NULL;
pg_get_serial_sequence(text, text) text AS
    (SELECT quote_ident(o.nspname) || '.' || quote_ident(o.seqname) FROM tw_owned_sequence o
     WHERE o.attname = $2 AND o.relname = (parse_ident($1))[array_length(parse_ident($1), 1)]
       AND CASE WHEN array_length(parse_ident($1), 1) = 2 THEN o.nspname = (parse_ident($1))[1] ELSE pg_table_is_visible(o.relid) END);
pg_sequence_last_value(regclass) int8 AS
    (SELECT CASE WHEN s.is_called THEN s.last_value END FROM tw_sequence_state s WHERE s.seqrelid = $1);
pg_get_triggerdef(oid) text AS NULL;
pg_get_triggerdef(oid, bool) text AS NULL;
pg_get_statisticsobjdef(oid) text AS NULL;
pg_get_statisticsobjdef_columns(oid) text AS NULL;
pg_get_functiondef(oid) text AS NULL;
pg_get_function_sqlbody(oid) text AS NULL;
pg_get_function_result(oid) text AS
    (SELECT CASE WHEN p.proretset THEN 'SETOF ' ELSE '' END || format_type(p.prorettype, NULL) FROM pg_proc p WHERE p.oid = $1);
pg_get_function_arguments(oid) text AS
    (SELECT array_to_string(ARRAY(SELECT format_type(a, NULL) FROM unnest(p.proargtypes) AS a), ', ') FROM pg_proc p WHERE p.oid = $1);
pg_get_function_identity_arguments(oid) text AS pg_get_function_arguments($1);
pg_get_function_arg_default(oid, int4) text AS NULL;

-- Comments.
obj_description(oid) text AS (SELECT d.description FROM pg_description d WHERE d.objoid = $1 AND d.objsubid = 0);
obj_description(oid, name) text AS
    (SELECT d.description FROM pg_description d
     WHERE d.objoid = $1 AND d.objsubid = 0
       AND d.classoid = (SELECT c.oid FROM pg_class c WHERE c.relname = $2 AND c.relnamespace = 11));
col_description(oid, int4) text AS
    (SELECT d.description FROM pg_description d WHERE d.objoid = $1 AND d.objsubid = $2 AND d.classoid = 1259 AND $2 <> 0);
shobj_description(oid, name) text AS
    (SELECT d.description FROM pg_shdescription d
     WHERE d.objoid = $1
       AND d.classoid = (SELECT c.oid FROM pg_class c WHERE c.relname = $2 AND c.relnamespace = 11));

-- Sizes are not known to the catalog.
pg_table_size(regclass) int8 AS NULL;
pg_relation_size(regclass) int8 AS NULL;
pg_relation_size(regclass, text) int8 AS NULL;
pg_total_relation_size(regclass) int8 AS NULL;
pg_indexes_size(regclass) int8 AS NULL;
pg_database_size(any) int8 AS NULL;
pg_tablespace_size(any) int8 AS NULL;
pg_tablespace_location(oid) text AS '';
pg_stat_get_numscans(oid) int8 AS NULL;

-- What Tidewater does not have.
pg_relation_is_publishable(regclass) bool AS false;
pg_relation_is_updatable(regclass, bool) int4 AS
    (SELECT CASE WHEN c.relkind = 'r' AND c.relam = 2 AND c.oid >= 16384 THEN 28 WHEN c.relkind = 'r' AND c.oid >= 16384 THEN 8 ELSE 0 END
     FROM pg_class c WHERE c.oid = $1);
pg_column_is_updatable(regclass, int2, bool) bool AS pg_relation_is_updatable($1, $3) = 28;
pg_is_in_recovery() bool AS false;
pg_options_to_table(any) SETOF record AS SELECT CAST(NULL AS text) AS option_name, CAST(NULL AS text) AS option_value WHERE false;
pg_listening_channels() SETOF text AS SELECT CAST(NULL AS text) AS pg_listening_channels WHERE false;
