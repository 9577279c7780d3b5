// Submits jobs and polls each until it has completed:
//
//   node client.js BASE TARGET RATE SECONDS
//
// RATE a second, whether or not those before have ended.  Prints a line of
// JSON: how many completed, and p50 and p99 of the ms from the first byte of
// a submit to the last of the answer that says so.

'use strict';

const http = require('node:http');

const [base, target, rate, seconds] = process.argv.slice(2);
const agent = new http.Agent({ keepAlive: true, maxSockets: 256 });
const body = 'x'.repeat(600);
const times = [];
let failed = 0;


function request(method, path, data) {
  return new Promise((resolve, reject) => {
    const req = http.request(base + path, {
      agent, method,
      headers: data ? { 'Content-Type': 'text/plain',
                        'Content-Length': data.length } : {},
    }, (res) => {
      let text = '';
      res.on('data', (chunk) => { text += chunk; });
      res.on('end', () => resolve({ res, text }));
    });

    req.on('error', reject);
    req.end(data);
  });
}


async function job() {
  const began = process.hrtime.bigint();
  const { res } = await request('POST', target, body);
  const where = new URL(res.headers.location, base).pathname;

  for (;;) {
    const { text } = await request('GET', where);
    const { status } = JSON.parse(text);

    if (status === 'completed') {
      times.push(Number(process.hrtime.bigint() - began) / 1e6);
      return;
    }

    if (status === 'failed') {
      throw new Error(text);
    }

    await new Promise((resolve) => setTimeout(resolve, 1));
  }
}


async function main() {
  const total = rate * seconds;
  const began = Date.now();
  const jobs = [];

  for (let n = 0; n < total; n++) {
    const wait = began + n * 1000 / rate - Date.now();

    if (wait > 0) {
      await new Promise((resolve) => setTimeout(resolve, wait));
    }

    jobs.push(job().catch((error) => {
      failed++;
      process.stderr.write(`${error.message}\n`);
    }));
  }

  await Promise.all(jobs);
  times.sort((a, b) => a - b);

  const at = (p) => times[Math.floor(p * (times.length - 1))];

  console.log(JSON.stringify({ completed: times.length, failed,
                               p50: at(0.5), p99: at(0.99) }));
  process.exit(failed ? 1 : 0);
}


main();
