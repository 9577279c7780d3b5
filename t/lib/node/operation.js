/*
 * A long-running operation as @azure/core-lro sees it, with a pipeline that
 * does no more than fetch:
 *
 *     operation.js WHAT METHOD URL [NAME:VALUE ...]
 *
 * WHAT is "run", "cancel" (as soon as it was accepted), "cancel-running", or
 * "resume" (it is polled by another poller than the one that began it).
 * Prints what became of it, and the requests that were made.
 */

'use strict';

const { createHttpPoller } = require('@azure/core-lro');

const [what, method, url, ...lines] = process.argv.slice(2);
const sent = [];


async function send(verb, target, headers = {}) {
    const response = await fetch(target, { method: verb, headers });
    const text = await response.text();
    const type = response.headers.get('content-type') || '';
    const body = /json/.test(type) && text ? JSON.parse(text) : text;

    sent.push(`${verb} ${new URL(target).pathname} ${response.status}`);

    if (response.status >= 400) {
        const code = body && body.error ? body.error.code : '';
        throw Object.assign(new Error(`${response.status} ${code}`),
                            { name: 'RestError' });
    }

    return {
        flatResponse: body,
        rawResponse: {
            statusCode: response.status,
            headers: Object.fromEntries(response.headers),
            body,
            request: { method: verb, url: target },
        },
    };
}


function begin(options) {
    const headers = Object.fromEntries(lines.map((line) => line.split(':')));

    return createHttpPoller({
        sendInitialRequest: () => send(method, url, headers),
        sendPollRequest: (location) => send('GET', location),
    }, options);
}


async function running(poller) {
    for (;;) {
        const { rawResponse } = await send('GET', poller.operationState
                                                        .config
                                                        .operationLocation);
        if (rawResponse.body.status === 'Running') {
            return;
        }
        await new Promise((resolve) => setTimeout(resolve, 20));
    }
}


async function main() {
    let poller = begin();
    let error = null;

    await poller.submitted();
    const { operationLocation } = poller.operationState.config;

    if (what === 'cancel-running') {
        await running(poller);
    }

    if (/^cancel/.test(what)) {
        await send('DELETE', operationLocation);
    }

    if (what === 'resume') {
        poller = begin({ restoreFrom: await poller.serialize() });
    }

    const result = await poller.pollUntilDone().catch((e) => {
        error = e.message;
        return null;
    });

    return { status: poller.operationState.status, error, result, sent,
             operationLocation };
}


main().then((value) => process.stdout.write(JSON.stringify(value) + '\n'));
