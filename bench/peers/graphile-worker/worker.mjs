// The peer of the benchmark relay: graphile-worker as its own documentation sets it up for throughput,
// with a local queue and batched completion, and a task that does nothing.
//
// Prints `ready` when its schema is there. Then, for each line `NUMBER` that it is told, it adds as many
// jobs, in SQL as `graphile_worker.add_jobs` does, works them off, and prints a line of JSON with how
// many there were and the milliseconds from the beginning of the first job to the end of the last one: its
// own start and the completion of its last batch are a gift. Ends with its standard input.
import { createInterface } from 'node:readline';
import { Logger, run, runMigrations } from 'graphile-worker';
import pg from 'pg';

const env = (name) => {
  const value = process.env[name];
  if (!value) throw new Error(`${name} is not set`);
  return value;
};

const CONCURRENT_JOBS = 24;
const LOCAL_QUEUE = 500;
const COMPLETE_DELAY_MS = 0;

const quiet = new Logger(() => () => {});
const pool = new pg.Pool({ connectionString: env('PEER_DATABASE_URL'), max: 10 });
pool.on('error', () => {});
pool.on('connect', (client) => client.on('error', () => {}));

async function add(jobs) {
  // The payload is as long as an event of Souk.
  await pool.query(
    `INSERT INTO graphile_worker._private_jobs (task_id, payload)
     SELECT (SELECT id FROM graphile_worker._private_tasks WHERE identifier = 'nothing'),
            json_build_object('n', n, 'body', repeat('x', $2))
     FROM generate_series(1, $1) n`,
    [jobs, Number(env('PEER_BODY_LENGTH'))],
  );
  await pool.query('ANALYZE graphile_worker._private_jobs');
}

async function work(jobs) {
  let left = jobs;
  let began;
  let done;
  const all = new Promise((resolve) => (done = resolve));
  const runner = await run({
    pgPool: pool,
    logger: quiet,
    noHandleSignals: true,
    taskList: {
      nothing: () => {
        began ??= process.hrtime.bigint();
        left -= 1;
        if (left === 0) done();
      },
    },
    preset: {
      worker: {
        concurrentJobs: CONCURRENT_JOBS,
        localQueue: { size: LOCAL_QUEUE },
        completeJobBatchDelay: COMPLETE_DELAY_MS,
        failJobBatchDelay: COMPLETE_DELAY_MS,
      },
    },
  });
  await all;
  const ms = Number(process.hrtime.bigint() - began) / 1e6;
  await runner.stop();
  const { rows } = await pool.query('SELECT count(*)::int AS left FROM graphile_worker._private_jobs');
  if (rows[0].left !== 0) throw new Error(`${rows[0].left} jobs are left`);
  return { jobs, ms };
}

await runMigrations({ pgPool: pool, logger: quiet });
await pool.query(`INSERT INTO graphile_worker._private_tasks (identifier) VALUES ('nothing')
                  ON CONFLICT DO NOTHING`);
console.log('ready');
for await (const line of createInterface({ input: process.stdin })) {
  const jobs = Number(line);
  await add(jobs);
  console.log(JSON.stringify(await work(jobs)));
}
await pool.end();
