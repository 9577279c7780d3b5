// Jobs as they are done with fastify, pg-boss and PostgreSQL:
//
//   node pgboss.js PORT SOCKET-FOLDER N  POST /reports; by N processes

'use strict';

const cluster = require('node:cluster');
const PgBoss = require('pg-boss');
const fastify = require('fastify')({ logger: false });

const [port, host, processes] = process.argv.slice(2);


async function serve() {
  const boss = new PgBoss({ host, database: 'postgres', user: 'bench' });

  await boss.start();

  fastify.addContentTypeParser('*', { parseAs: 'buffer' },
    (request, body, done) => done(null, body));

  fastify.post('/reports', async (request, reply) => {
    const id = await boss.send('reports', { body: String(request.body) });

    return reply.code(202)
      .header('Location', `/jobs/${id}`)
      .send({ id, status: 'queued' });
  });

  await fastify.listen({ host: '127.0.0.1', port: Number(port) });
}


if (cluster.isPrimary && processes > 1) {
  for (let n = 0; n < processes; n++) {
    cluster.fork();
  }

} else {
  serve();
}
