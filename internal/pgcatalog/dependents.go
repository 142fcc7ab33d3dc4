package pgcatalog

import "github.com/jackc/pgx/v5"

// Dependents are what a statement on a table can touch besides the table's own rows, or what can keep it from
// touching them. Partitions of the table are part of it.
type Dependents struct {
	Children     []string    // tables that inherit from it and are no partitions
	ForeignParts []string    // partitions on other servers
	References   []Reference // foreign keys of other tables that reference it
	Rules        []Rule      // that are enabled
	Before       []Trigger   // that are enabled, of the table and of its partitions
}

// Trigger is a row trigger BEFORE INSERT or UPDATE, which keeps a row out by answering NULL.
type Trigger struct {
	Name           string
	Insert, Update bool
	// Redundant says that it is suppress_redundant_updates_trigger of the server, which keeps out only what is there already.
	Redundant bool
}

// Reference is a foreign key of another table.
type Reference struct {
	Name     string
	OID      uint32 // of the table
	Table    string
	OnDelete string   // as in SQL
	OnUpdate string   // as in SQL
	Columns  []string // that are referenced
}

// Rule is a rule of the rewriter.
type Rule struct {
	Name    string
	Event   string // INSERT, UPDATE or DELETE
	Instead bool
}

// queue has a batch read them.
func (d *Dependents) queue(b *pgx.Batch, id pgx.Identifier) {
	const tree = `
with recursive tree (oid) as (
    select to_regclass($1)::oid
     union
    select i.inhrelid from pg_catalog.pg_inherits i join tree t on t.oid = i.inhparent
)`
	const name = "case when pg_table_is_visible(c.oid) then '' else n.nspname || '.' end || c.relname"
	collect := func(to *[]string) func(pgx.Rows) error {
		return func(rows pgx.Rows) (err error) {
			*to, err = pgx.CollectRows(rows, pgx.RowTo[string])
			return err
		}
	}
	const children = tree + `
select ` + name + `
  from tree t
  join pg_catalog.pg_class c on c.oid = t.oid
  join pg_catalog.pg_namespace n on n.oid = c.relnamespace
 where c.oid <> to_regclass($1) and `
	b.Queue(children+"not c.relispartition order by 1", id.Sanitize()).Query(collect(&d.Children))
	b.Queue(children+"c.relispartition and c.relkind = 'f' order by 1", id.Sanitize()).Query(collect(&d.ForeignParts))
	const action = " when 'a' then 'NO ACTION' when 'r' then 'RESTRICT' when 'c' then 'CASCADE' when 'n' then 'SET NULL' else 'SET DEFAULT' end"
	b.Queue(tree+`
select k.conname, c.oid, `+name+`, case k.confdeltype::text`+action+`, case k.confupdtype::text`+action+`,
       array(select a.attname::text from unnest(k.confkey) x (attnum) join pg_catalog.pg_attribute a on a.attrelid = k.confrelid and a.attnum = x.attnum)
  from pg_catalog.pg_constraint k
  join pg_catalog.pg_class c on c.oid = k.conrelid
  join pg_catalog.pg_namespace n on n.oid = c.relnamespace
 where k.contype = 'f' and k.confrelid in (select oid from tree) and k.conrelid not in (select oid from tree)
   and (k.conparentid = 0 or not exists (select from pg_catalog.pg_constraint p where p.oid = k.conparentid and p.confrelid in (select oid from tree)))
 order by 3, 1`, id.Sanitize()).Query(func(rows pgx.Rows) (err error) {
		d.References, err = pgx.CollectRows(rows, pgx.RowToStructByPos[Reference])
		return err
	})
	// A rule or trigger that is on only for replication, or only without it, counts where it applies.
	const enabled = "in ('A', case current_setting('session_replication_role') when 'replica' then 'R' else 'O' end)"
	b.Queue(`
select rulename, case ev_type::text when '2' then 'UPDATE' when '3' then 'INSERT' else 'DELETE' end, is_instead
  from pg_catalog.pg_rewrite
 where ev_class = to_regclass($1) and ev_type::text <> '1' and ev_enabled::text `+enabled+" order by 1", id.Sanitize()).Query(func(rows pgx.Rows) (err error) {
		d.Rules, err = pgx.CollectRows(rows, pgx.RowToStructByPos[Rule])
		return err
	})
	// 1: for each row, 2: before, 4: insert, 16: update.
	b.Queue(tree+`
select tgname, bool_or(tgtype & 4 <> 0), bool_or(tgtype & 16 <> 0), bool_and(tgfoid = 'pg_catalog.suppress_redundant_updates_trigger'::regproc)
  from pg_catalog.pg_trigger
 where tgrelid in (select oid from tree) and not tgisinternal and tgtype & 3 = 3 and tgtype & 20 <> 0 and tgenabled::text `+enabled+`
 group by 1 order by 1`, id.Sanitize()).Query(func(rows pgx.Rows) (err error) {
		d.Before, err = pgx.CollectRows(rows, pgx.RowToStructByPos[Trigger])
		return err
	})
}
