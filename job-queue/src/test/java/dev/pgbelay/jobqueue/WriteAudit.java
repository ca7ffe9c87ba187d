package dev.pgbelay.jobqueue;

import org.jooq.DSLContext;

/**
 * Triggers that keep a record of every write about a claimed job, inside the transaction that
 * writes: a rule that was broken for an instant is found afterwards. A worker is known by its node,
 * which must be the application_name of all its sessions.
 */
final class WriteAudit {
  private static final String INSTALL =
      """
      -- An attempt that did not end its job: what it was, and why the job went back.
      create table audit_return (
        job_id bigint, attempt int, claimant uuid, claim_number bigint, reason text,
        at timestamptz default clock_timestamp());
      -- A worker that was given up.
      create table audit_fenced (
        claimant uuid, node text, expired_at timestamptz, fenced_at timestamptz);
      -- A write about a job by somebody who did not hold it.
      create table audit_foreign (job_id bigint, holder text, writer text, operation text);
      -- More claims than a limit allows.
      create table audit_limit (queue text, partition_key text, running int, allowed int);

      create function audit_job() returns trigger language plpgsql as $$
      declare
        holder record;
        writer text := current_setting('application_name');
      begin
        select w.node, w.fenced_at is not null as fenced into holder
          from pgbelay.job_worker as w where w.claimant = old.claimant;
        if holder.node is null or (not holder.fenced and holder.node <> writer) then
          insert into audit_foreign values (old.id, holder.node, writer, tg_op);
        end if;
        if tg_op = 'UPDATE' and new.state <> 'running' then
          insert into audit_return (job_id, attempt, claimant, claim_number, reason)
          values (old.id, old.attempt, old.claimant, old.claim_number,
                  case when new.failures is distinct from old.failures
                       then new.failures[cardinality(new.failures)] end);
        end if;
        return null;
      end $$;
      create trigger audit_job after update or delete on pgbelay.job
        for each row when (old.state = 'running') execute function audit_job();

      create function audit_worker() returns trigger language plpgsql as $$
      begin
        insert into audit_fenced values (old.claimant, old.node, old.expires_at, new.fenced_at);
        return null;
      end $$;
      create trigger audit_worker after update on pgbelay.job_worker
        for each row when (old.fenced_at is null and new.fenced_at is not null)
        execute function audit_worker();

      -- Claims under a limit follow one another, so each of them sees all before it.
      create function audit_claim() returns trigger language plpgsql as $$
      declare
        allowed record;
        of_queue int;
        of_key int;
      begin
        select c.max_running, coalesce(c.key_limit, 1) as per_key into allowed
          from pgbelay.job_control as c where c.scope = 'queue' and c.name = new.queue;
        select count(*), count(*) filter (where j.partition_key = new.partition_key)
          into of_queue, of_key
          from pgbelay.job as j where j.queue = new.queue and j.state = 'running';
        if of_queue > allowed.max_running then
          insert into audit_limit values (new.queue, null, of_queue, allowed.max_running);
        end if;
        if of_key > coalesce(allowed.per_key, 1) then
          insert into audit_limit
          values (new.queue, new.partition_key, of_key, coalesce(allowed.per_key, 1));
        end if;
        return null;
      end $$;
      create trigger audit_claim after update on pgbelay.job
        for each row
        when (old.state = 'ready' and new.state = 'running' and new.partition_key is not null)
        execute function audit_claim();
      """;

  private final DSLContext dsl;

  private WriteAudit(DSLContext dsl) {
    this.dsl = dsl;
  }

  static WriteAudit install(DSLContext dsl) {
    dsl.connection(
        connection -> {
          try (var statement = connection.createStatement()) {
            statement.execute(INSTALL);
          }
        });
    return new WriteAudit(dsl);
  }

  /** Writes about jobs that somebody else held at that moment. */
  String foreignWrites() {
    return dsl.fetch("select * from audit_foreign limit 10").formatCSV(false);
  }

  /** Claims beyond a limit of their queue or key. */
  String brokenLimits() {
    return dsl.fetch("select * from audit_limit limit 10").formatCSV(false);
  }

  /** Workers that were given up although they had been heard of. */
  String fencedTooEarly() {
    return dsl.fetch("select * from audit_fenced where fenced_at < expired_at limit 10")
        .formatCSV(false);
  }
}
