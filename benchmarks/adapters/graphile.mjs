// graphile-worker: addJobs, the local queue and batched completions that its guide to performance
// recommends. It deletes jobs that have succeeded, so there is no history to fill.

import { openSync, readFileSync, readSync, writeSync } from "node:fs";
import { createRequire } from "node:module";
import { createInterface } from "node:readline";

const home = new URL("../../.venv-peers/graphile/", import.meta.url);
const require = createRequire(home);
const { Logger, makeWorkerUtils, run, runMigrations } = require("graphile-worker");
const manifest = new URL("node_modules/graphile-worker/package.json", home);
const { version } = JSON.parse(readFileSync(manifest, "utf8"));

const BATCH = 10_000; // jobs of an insert
const CONCURRENCY = 100;
const LOCAL = 500; // jobs of a fetch
const PLACES = 64;
const HEADER = 1 + 3 * PLACES;


const logger = new Logger(() => () => {});
const preset = {
  worker: {
    connectionString: process.env.BENCHMARK_DSN,
    maxPoolSize: 20,
    concurrentJobs: CONCURRENCY,
    localQueue: { size: LOCAL },
    completeJobBatchDelay: 0,
    failJobBatchDelay: 0,
    logger,
  },
};

const now = () => Number(process.hrtime.bigint()) / 1e9;

// The same file of doubles that board.py maps. Counts are kept here and written once a turn.
class Place {
  constructor() {
    this.file = openSync(process.env.BENCHMARK_BOARD, "r+");
    this.at = 1 + 3 * Number(process.env.BENCHMARK_PLACE);
    this.count = 0;
    this.pending = false;
  }

  write(index, value) {
    const bytes = Buffer.alloc(8);
    bytes.writeDoubleLE(value);
    writeSync(this.file, bytes, 0, 8, 8 * index);
  }

  read(index) {
    const bytes = Buffer.alloc(8);
    readSync(this.file, bytes, 0, 8, 8 * index);
    return bytes.readDoubleLE();
  }

  async wait() {
    this.write(this.at, 1);
    while (!this.read(0)) await new Promise((resolve) => setTimeout(resolve, 1));
  }

  nothing() {
    if (this.count++ === 0) this.write(this.at + 2, now());
    if (!this.pending) {
      this.pending = true;
      setImmediate(() => {
        this.pending = false;
        this.write(this.at + 1, this.count);
      });
    }
  }

  note(number, value) {
    this.nothing();
    const index = HEADER + 2 * number;
    this.write(index, this.read(index) + 1);
    this.write(index + 1, value);
  }
}

async function work() {
  const place = new Place();
  await place.wait();
  const taskList = {
    nothing: () => place.nothing(),
    mark: ({ number }) => place.note(number, now()),
    stamp: ({ number, sent }) => place.note(number, now() - sent),
  };
  const runner = await run({ preset, taskList });
  await runner.promise;
}

async function drive() {
  const say = (facts) => process.stdout.write(`${JSON.stringify(facts)}\n`);
  say({
    version,
    can: ["bulk", "singles", "paced", "marks"],
    tables: ["graphile_worker._private_jobs"],
    unfinished: "select exists (select from graphile_worker._private_jobs)",
    history: null,
  });
  let utils;
  const add = async (identifier, payloads) => {
    for (let begin = 0; begin < payloads.length; begin += BATCH) {
      const batch = payloads.slice(begin, begin + BATCH);
      await utils.addJobs(batch.map((payload) => ({ identifier, payload })));
    }
  };
  const requests = {
    prepare: () => runMigrations({ preset }),
    bulk: ({ jobs }) => add("nothing", Array(jobs).fill({})),
    marks: ({ jobs }) => add("mark", Array.from({ length: jobs }, (_, number) => ({ number }))),
    singles: ({ jobs, at_once }) => {
      const insert = async () => {
        for (let each = 0; each < jobs / at_once; each++) await utils.addJob("nothing", {});
      };
      return Promise.all(Array.from({ length: at_once }, insert));
    },
    paced: async ({ jobs, gap }) => {
      const began = now();
      const running = [];
      for (let number = 0; number < jobs; number++) {
        while (now() < began + number * gap) await new Promise((resolve) => setTimeout(resolve, 1));
        running.push(utils.addJob("stamp", { number, sent: now() }));
      }
      await Promise.all(running);
    },
  };
  for await (const line of createInterface({ input: process.stdin })) {
    const request = JSON.parse(line);
    try {
      if (!utils && request.do !== "prepare") {
        utils = await makeWorkerUtils({ preset });
        await utils.withPgClient((client) => client.query("select 1"));
      }
      const began = now();
      await requests[request.do](request);
      say({ seconds: now() - began, answer: null });
    } catch (error) {
      say({ error: String(error.stack) });
    }
  }
  if (utils) await utils.release();
}

await (process.argv[2] === "drive" ? drive() : work());
