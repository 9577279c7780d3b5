// Jobs as they are done with fastify, BullMQ and Redis:
//
//   node bullmq.js server PORT REDIS N   POST /reports, GET /jobs/<id>; by N
//                                        processes
//   node bullmq.js worker BACKEND REDIS  64 at a time, to http://BACKEND
//
// REDIS is a port of 127.0.0.1.

'use strict';

const cluster = require('node:cluster');
const { Queue, Worker, Job } = require('bullmq');

const [role, where, redis, processes] = process.argv.slice(2);
const connection = { host: '127.0.0.1', port: Number(redis) };


async function serve(port) {
  const fastify = require('fastify')({ logger: false });
  const queue = new Queue('reports', { connection });

  fastify.addContentTypeParser('*', { parseAs: 'buffer' },
    (request, body, done) => done(null, body));

  fastify.post('/reports', async (request, reply) => {
    const job = await queue.add('report', String(request.body));

    return reply.code(202)
      .header('Location', `/jobs/${job.id}`)
      .send({ id: job.id, status: 'queued' });
  });

  fastify.get('/jobs/:id', async (request, reply) => {
    const job = await Job.fromId(queue, request.params.id);

    if (!job) {
      return reply.code(404).send({ error: 'no such job' });
    }

    const status = job.finishedOn
      ? (job.failedReason ? 'failed' : 'completed')
      : (job.processedOn ? 'processing' : 'queued');

    return reply.send({ id: job.id, status, createdAt: job.timestamp });
  });

  await fastify.listen({ host: '127.0.0.1', port: Number(port) });
}


function work(backend) {
  const { Pool } = require('undici');
  const pool = new Pool(`http://${backend}`, { connections: 64 });

  return new Worker('reports', async (job) => {
    const { statusCode, body } = await pool.request(
      { path: '/', method: 'POST', body: job.data });

    return { status: statusCode, body: await body.text() };
  }, { connection, concurrency: 64 });
}


if (role === 'server' && cluster.isPrimary && processes > 1) {
  for (let n = 0; n < processes; n++) {
    cluster.fork();
  }

} else if (role === 'server') {
  serve(where);

} else {
  work(where);
}
