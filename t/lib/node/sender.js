/*
 * A sender of webhooks, signed by the package of who invented the scheme:
 *
 *     sender.js SCHEME URL '[{"secret":..., "id":..., "signed":...,
 *                             "sent":...}, ...]'
 *
 * Sends them one after the other; what is sent is what is signed, unless
 * something else is.  Prints what was answered to each:
 * [{"status":..., "body":..., "replayed":...}, ...].
 */

'use strict';

const path = require('path');
const { Webhook } = require('standardwebhooks');
const Stripe = require('stripe');

const [scheme, url, messages] = process.argv.slice(2);


async function headers({ secret, id, signed }) {
    switch (scheme) {

    case 'standard': {
        const now = new Date();

        return {
            'webhook-id': id,
            'webhook-timestamp': String(Math.floor(now.getTime() / 1000)),
            'webhook-signature': new Webhook(secret).sign(id, now, signed),
        };
    }

    case 'github': {

        // it can only be imported, and that does not look into NODE_PATH
        const [modules] = process.env.NODE_PATH.split(path.delimiter);
        const { sign } = await import(path.join(modules,
            '@octokit/webhooks-methods/dist-node/index.js'));

        return {
            'X-GitHub-Delivery': id,
            'X-Hub-Signature-256': await sign(secret, signed),
        };
    }

    case 'stripe':
        return {
            'Stripe-Signature': Stripe.webhooks.generateTestHeaderString(
                { payload: signed, secret }),
        };

    default:
        throw new Error(`no scheme ${scheme}`);
    }
}


async function send(message) {
    const response = await fetch(url, {
        method: 'POST',
        headers: {
            'Content-Type': 'application/json',
            ...await headers(message),
        },
        body: message.sent ?? message.signed,
    });

    return {
        status: response.status,
        body: await response.json(),
        replayed: response.headers.get('idempotent-replayed'),
    };
}


async function main() {
    const answers = [];

    for (const message of JSON.parse(messages)) {
        answers.push(await send(message));
    }

    console.log(JSON.stringify(answers));
}


main().catch((error) => {
    console.error(error);
    process.exit(1);
});
