/*
 * sse.js PAGE MASTER: the page of the example through a reload of nginx and a
 * kill of all its workers, and beside it a stream that is never closed by the
 * page; then the page where streams are refused, and where they are held.
 */

'use strict';

const browse = require('browser.js');
const fs = require('fs');


/* those that are shutting down, too */
function workers(master) {
    return fs.readdirSync('/proc').filter((pid) => {
        try {
            const [, parent] = fs.readFileSync(`/proc/${pid}/stat`, 'utf8')
                .match(/^\d+ \(.*\) \S (\d+) /s);
            return parent === master
                && fs.readFileSync(`/proc/${pid}/cmdline`, 'utf8')
                    .startsWith('nginx: worker process');
        } catch {
            return false;
        }
    }).map(Number);
}


/* in the page: a stream that is left to the browser */
function record(url) {
    const seen = { events: [], opens: 0, errors: 0 };
    const source = new EventSource(url);

    window.seen = seen;
    window.source = source;

    source.onopen = () => { seen.opens++; };
    source.onerror = () => { seen.errors++; };

    for (const name of ['queued', 'scheduled', 'processing', 'progress',
                        'retrying', 'completed', 'failed', 'canceled']) {
        source.addEventListener(name, (event) => {
            const job = JSON.parse(event.data);
            seen.events.push({ name, id: Number(event.lastEventId),
                               status: job.status, attempt: job.attempt,
                               percent: job.percentComplete });
        });
    }
}


async function submit(page, seconds) {
    const accepted = page.waitForResponse((answer) =>
        new URL(answer.url()).pathname === '/reports');
    await page.fill('#seconds', String(seconds));
    await page.click('#run');
    return (await accepted).json();
}


const shown = (page) => page.waitForFunction(() =>
    document.querySelector('#result').textContent.startsWith('{')
    && document.querySelector('#state').textContent);


browse(async (page, home, master) => {
    const killed = [];

    await page.goto(home);
    /* a browser comes back after 3 s: the job must not have ended by then */
    const job = await submit(page, 8);
    await page.evaluate(record, job.eventsUrl);

    await page.waitForFunction(() => window.seen.events.some((event) =>
        event.percent >= 5));
    process.kill(Number(master), 'SIGHUP');
    await page.waitForFunction(() => window.seen.opens >= 2);

    /* at the same moment: the job must not begin again at the other */
    killed.push(...workers(master));

    for (const signal of ['SIGSTOP', 'SIGKILL']) {
        killed.forEach((pid) => process.kill(pid, signal));
    }

    await page.waitForFunction(() => window.seen.opens >= 3);
    await (await shown(page)).dispose();
    await page.waitForFunction(() =>
        window.source.readyState === EventSource.CLOSED);

    /* it is closed: nothing of this may be asked for again */
    let more = 0;
    page.on('request', (request) => {
        more += request.url().endsWith('/events') ? 1 : 0;
    });

    const history = await page.evaluate((url) =>
        fetch(`${url}/history`).then((answer) => answer.json()),
                                        job.statusUrl);
    const seen = await page.evaluate(() => window.seen);
    const state = await page.textContent('#state');
    const bar = await page.evaluate(() => document.querySelector('#bar').value);
    const result = await page.textContent('#result');

    const after = more;

    /* where something between refuses streams */
    await page.route('**/events', (route) => route.fulfill({ status: 404 }));
    await page.reload();
    await submit(page, 0);
    const refused = await (await shown(page)).jsonValue();

    /* and where it holds them back */
    await page.unroute('**/events');
    await page.route('**/events', () => {});
    await page.reload();
    await submit(page, 0);
    const held = await (await shown(page)).jsonValue();

    return { seen, history, state, bar, result, killed, more: after, refused,
             held };
});
