/*
 * A receiver of webhooks, which verifies each with the standardwebhooks
 * package and writes down what it got, a JSON object a line:
 *
 *     receiver.js PORT LOG SECRET[,SECRET] [CERT KEY [h2]]
 *
 * What it answers is in the path: /status/204, /status/429?after=120, /hang,
 * /drip, /close, /cut, /large, /redirect; and /as/NAME is as one of these,
 * what PUT /as/NAME said last.  PUT /clock sets its clock, in ms from now.
 */

'use strict';

const fs = require('fs');
const http = require('http');
const http2 = require('http2');
const https = require('https');
const { Webhook } = require('standardwebhooks');

const [port, log, secrets, cert, key, h2] = process.argv.slice(2);
const keys = secrets.split(',').map(secret => new Webhook(secret));
const names = {};
const now = Date.now;
let offset = 0;

Date.now = () => now() + offset;


function takes(key, body, headers) {
    try {
        key.verify(body, headers);
        return true;
    } catch (error) {
        return false;
    }
}


/* which of the secrets have signed it, by their place; or why none has */

function verified(request, body) {
    const right = [];
    const refused = { tampered: true, old: true };
    let why = '';

    keys.forEach((key, place) => {
        try {
            key.verify(body, request.headers);
            right.push(place);
        } catch (error) {
            why = error.message;
        }

        /* what must not be taken */

        if (takes(key, body + ' ', request.headers)) {
            refused.tampered = false;
        }

        offset += 600000;
        refused.old = refused.old && !takes(key, body, request.headers);
        offset -= 600000;
    });

    return right.length ? { right, refused } : { right, refused, why };
}


function drip(socket) {
    const text = 'HTTP/1.1 200 OK\r\nX-Slow: ' + 'x'.repeat(1000);
    let sent = 0;
    const timer = setInterval(() => socket.write(text[sent++]), 100);

    socket.on('close', () => clearInterval(timer));
    socket.on('error', () => clearInterval(timer));
}


function answer(request, response, path) {
    const url = new URL(path, 'http://localhost');
    const [, what, status] = url.pathname.split('/');

    switch (what) {

    case 'status':
        if (url.searchParams.has('after')) {
            response.setHeader('Retry-After', url.searchParams.get('after'));
        }

        response.writeHead(Number(status));
        response.end();
        return;

    case 'hang':
        return;

    case 'drip':
        drip(request.socket);
        return;

    case 'close':
        request.socket.destroy();
        return;

    case 'cut':
        request.socket.end('HTTP/1.1 200 OK\r\nContent-Le');
        return;

    case 'large':
        response.on('error', () => {});
        response.writeHead(200);
        response.end(Buffer.alloc(8 << 20, 'x'));
        return;

    case 'redirect':
        response.writeHead(301, { Location: '/status/204?moved' });
        response.end();
        return;

    default:
        response.writeHead(404);
        response.end();
    }
}


function received(request, response) {
    const chunks = [];

    request.on('data', chunk => chunks.push(chunk));
    request.on('end', () => {
        const body = Buffer.concat(chunks).toString();
        const named = /^\/as\/([^?]*)/.exec(request.url);

        if (request.method === 'PUT') {
            if (named) {
                names[named[1]] = body;
            } else {
                offset = Number(body);
            }

            response.writeHead(204);
            response.end();
            return;
        }

        fs.appendFileSync(log, JSON.stringify({
            at: now(), method: request.method, path: request.url,
            version: request.httpVersion, headers: request.headers, body,
            ...verified(request, body)
        }) + '\n');

        answer(request, response,
               named ? names[named[1]] || '/status/204' : request.url);
    });
}


function listener() {
    if (!cert) {
        return http.createServer(received);
    }

    const tls = { cert: fs.readFileSync(cert), key: fs.readFileSync(key) };

    return h2 ? http2.createSecureServer(tls, received)
              : https.createServer(tls, received);
}


/* addresses, which are as many hosts to a sender */

fs.writeFileSync(log, '');

for (const address of ['127.0.0.1', '127.0.0.2', '127.0.0.3']) {
    const server = listener();

    server.keepAliveTimeout = 1000;
    server.listen(Number(port), address);
}
