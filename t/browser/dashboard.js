/*
 * dashboard.js HOME SHOTS OTHER PORT: the dashboard of HOME, screenshots into
 * SHOTS; port OTHER is somebody else's, PORT is where we are backend and
 * receiver of webhooks
 */

'use strict';

const http = require('http');

const browse = require('browser.js');
const vectors = require('vectors.js');

const sizes = { width: 1200, height: 900 };


const text = (page, selector) => page.textContent(selector);

const rows = (page, body) => page.$$eval(`#${body} > tr`,
                                         (list) => list.length);

const count = (page, selector) => page.$$eval(selector,
                                              (list) => list.length);

const until = (page, fn, arg) => page.waitForFunction(fn, arg);


async function submit(home, target, options = {}) {
    const answer = await fetch(home + target, { method: 'POST', ...options });

    if (answer.status !== 202) {
        throw new Error(`${target}: ${answer.status}`);
    }

    return answer.json();
}


/* as it stands, which no browser would send */
function submitRaw(home, target) {
    const path = target.replace(/[^\x21-\x7e]/g, encodeURIComponent);

    return new Promise((resolve, reject) => {
        http.request(home, { method: 'POST', path }, async (answer) => {
            let body = '';

            for await (const piece of answer) {
                body += piece;
            }

            if (answer.statusCode === 202) {
                resolve(JSON.parse(body));
            } else {
                reject(new Error(`${path}: ${answer.statusCode} ${body}`));
            }
        }).on('error', reject).end();
    });
}


async function job(home, id) {
    const answer = await fetch(`${home}/board/data/job?id=${id}`);
    return answer.ok ? answer.json() : { status: answer.status };
}


const status = async (home, id) => (await job(home, id)).job?.status;


async function ended(home, id) {
    for (let n = 0; n < 600; n++) {
        const now = await status(home, id);

        if (['completed', 'failed', 'canceled'].includes(now)) {
            return now;
        }

        await new Promise((resolve) => setTimeout(resolve, 50));
    }

    throw new Error(`job ${id} does not end`);
}


const go = (page, hash) => page.evaluate((to) => { location.hash = to; },
                                         hash);


/* the job's page, with what is told of it */
async function show(page, id) {
    await go(page, `#/job/${id}`);
    await until(page, (wanted) =>
        document.querySelector('#job-title').textContent.includes(wanted)
        && document.querySelectorAll('#events tr').length > 0, id);
}


/* a receiver that wants nothing before it is told so, and a backend that
   reports what it was asked to, and answers with it */
const taken = { status: 410 };

function serve(port) {
    return http.createServer(async (request, response) => {
        const url = new URL(request.url, 'http://x');

        request.resume();

        if (url.pathname === '/hook') {
            response.writeHead(taken.status).end();
            return;
        }

        const vector = url.searchParams.get('prefix');

        await fetch(request.headers['async-progress-url'], {
            method: 'POST',
            body: JSON.stringify({ percentComplete: 50, message: vector }),
        });

        response.writeHead(200, {
            Location: `/${encodeURIComponent(vector)}`,
        }).end();
    }).listen(port, '127.0.0.1').unref();
}


const shownStatus = (page, wanted) => until(page, (value) =>
    document.querySelector('#job-facts .status')?.textContent === value,
    wanted);


const press = (page, name) => page.click(
    `main section:not([hidden]) button:text-is("${name}")`);


const steps = {
    async overview(page, home, shot) {
        await page.goto(`${home}/desk/`);
        await page.click('button:text-is("15 minutes")');
        await until(page, () => document.querySelectorAll(
            '#chart-ended rect').length > 0
            && document.querySelector('#live').textContent === 'live');
        await shot('overview');

        return {
            live: await text(page, '#live'),
            figures: await page.$$eval('#figures dt',
                (list) => list.map((dt) => dt.textContent)),
            mail: await text(page, '#queues tr[data-key=mail] .status'),
            bars: Number(await count(page, '#chart-ended rect') > 0),
            width: (await text(page, '#windows [aria-pressed=true]'))
                .replace('utes', ''),
        };
    },

    async live(page, home) {
        const one = await submit(home, '/reports?sleep=1');

        await show(page, one.id);

        const before = await text(page, '#events tr:first-child td:nth-child(3)');

        await shownStatus(page, 'completed');
        await go(page, '#/jobs');
        await until(page, (id) => document.querySelector(
            `#jobs tr[data-key="${id}"]`), one.id);

        const two = await submit(home, '/reports?n=live');

        await until(page, (id) => document.querySelector(
            `#jobs tr[data-key="${id}"] .completed`), two.id);

        return { job: before, ended: await status(home, one.id), list: 1 };
    },

    async search(page, home, shot) {
        const mail = await submit(home, '/mail?n=2');
        const owned = await submit(home, '/owned?who=tom%20%26%20co');
        const search = async (fields) => {
            await go(page, '#/jobs');
            await page.click('button:text-is("Clear")');

            for (const [name, value] of Object.entries(fields)) {
                const field = page.locator(`#search [name=${name}]`);

                if (name === 'status') {
                    await field.selectOption(value);
                } else {
                    await field.fill(value);
                }
            }

            /* as it asks, we ask: its own answer may be overtaken by a look */
            const asked = page.waitForRequest((request) => {
                const url = new URL(request.url());
                const owner = request.headers()['async-dashboard-owner'];

                return /\/data\/jobs?$/.test(url.pathname)
                    && Object.entries(fields).every(([name, value]) =>
                        name === 'owner' ? owner === encodeURIComponent(value)
                        : name === 'until' ? url.searchParams.get(name)
                        : url.searchParams.get(name) === value);
            });

            await page.click('button:text-is("Search")');

            const request = await asked;

            return (await fetch(request.url(),
                                { headers: request.headers() })).json();
        };
        const tally = (page, of) => page.jobs.reduce((sums, one) => {
            const name = one.job[of];
            return { ...sums, [name]: (sums[name] ?? 0) + 1 };
        }, {});

        const result = {};
        const asked = [];

        page.on('request', (request) => asked.push(request.url()));

        result.byStatus = tally(await search({ status: 'failed' }), 'status');
        result.byQueue = tally(await search({ queue: 'mail' }), 'queue');
        result.byOwner = (await search({ owner: 'tom%20%26%20co' }))
            .jobs.filter((one) => one.job.id === owned.id).length;
        result.byAnotherOwner = (await search({ owner: 'tom' })).jobs.length;
        result.byTime = (await search({ until: '2020-01-01T00:00:01' }))
            .jobs.length;

        await search({});
        await until(page, () => document.querySelectorAll('#jobs tr').length
                                > 3);
        await shot('jobs');

        await search({ id: mail.id });
        await until(page, () => document.querySelectorAll('#events tr').length
                                > 0);
        result.byId = await page.$$eval('#job-facts div', (list) => list.find(
            (div) => div.firstChild.textContent === 'Request')
            .lastChild.textContent);

        /* neither in nginx's log nor in the browser's history */
        result.logged = asked.some((url) => url.includes('tom'))
                        || page.url().includes('tom');

        return result;
    },

    async job(page, home, shot, made) {
        const cells = (n) => page.$$eval(`#attempts td:nth-child(${n})`,
            (list) => list.map((td) => td.textContent));

        await show(page, made.failed);
        await shot('job');

        return {
            attempts: (await cells(1)).map(Number),
            how: await cells(4),
            backend: (await cells(5)).map(Number),
            bars: await count(page, '#timeline .wrong'),
            last: await text(page, '#events tr:last-child td:nth-child(3)'),
        };
    },

    async acts(page, home, shot, made) {
        const result = {};
        const one = await submit(home, '/mail?n=cancel');

        await show(page, one.id);
        await press(page, 'Cancel');
        await shot('confirm');
        await page.click('#confirm-no');
        result.kept = await status(home, one.id);

        await press(page, 'Cancel');
        await page.click('#confirm-yes');
        await shownStatus(page, 'canceled');
        result.canceled = await status(home, one.id);
        result.by = (await job(home, one.id)).events.at(-1).by;

        await show(page, made.failed);
        await press(page, 'Retry');
        await until(page, () => document.querySelector('#done').textContent
                                .startsWith('It runs again'));

        const again = (await job(home, made.failed)).job.retriedAs;

        result.retried = await ended(home, again);

        await show(page, one.id);
        await press(page, 'Delete');
        await page.click('#confirm-yes');
        await until(page, () => document.querySelector('#done').textContent
                                === 'The job was deleted.');
        result.deleted = (await job(home, one.id)).status;

        const two = await submit(home, '/mail?n=purge');
        const mail = '#queues tr[data-key=mail]';
        const state = (wanted) => until(page, ([selector, value]) =>
            document.querySelector(selector)?.textContent === value,
            [`${mail} .status`, wanted]);

        await go(page, '#/overview');
        await page.click(`${mail} button:text-is("Purge")`);
        await page.click('#confirm-yes');
        result.purged = await ended(home, two.id);

        await page.click(`${mail} button:text-is("Resume")`);
        await state('open');
        result.resumed = await text(page, `${mail} .status`);
        await page.click(`${mail} button:text-is("Pause")`);
        await state('paused');
        result.paused = await text(page, `${mail} .status`);

        return result;
    },

    async webhooks(page, home, shot) {
        const result = {};
        const one = await submit(home, '/hooked');
        const row = `#webhooks tr[data-key="${one.id}"]`;
        const hook = async (state) => {
            for (let n = 0; n < 600; n++) {
                const now = (await job(home, one.id)).webhook;

                if (now.state === state) {
                    return now;
                }

                await new Promise((resolve) => setTimeout(resolve, 50));
            }

            throw new Error(`the webhook is not ${state}`);
        };

        await ended(home, one.id);
        await hook('dead');
        await page.goto('about:blank');
        await page.goto(`${home}/desk/`);
        await page.waitForSelector('nav [href="#/webhooks"]:visible');
        result.offered = true;
        await page.click('nav [href="#/webhooks"]');
        await page.waitForSelector(row);
        await shot('webhooks');
        result.dead = await text(page, `${row} .status`);
        result.receiver = Number((await text(page, row)).includes('/hook?…'));
        result.hidden = Number((await page.content()).includes('hidden>'
            + 'token') || (await text(page, row)).includes('token'));

        taken.status = 204;
        await page.click(`${row} button:text-is("Redeliver")`);
        await hook('delivered');
        await page.selectOption('#webhook-state', 'delivered');
        await page.waitForSelector(row);
        result.delivered = await text(page, `${row} .status`);
        await show(page, one.id);
        result.by = await page.$$eval('#events tr', (list) => list.find(
            (tr) => tr.cells[3].textContent.startsWith('dashboard'))
            .cells[3].textContent);
        result.job = (await page.$$eval('#job-facts div', (list) => list.find(
            (div) => div.firstChild.textContent === 'Webhook')
            .lastChild.textContent)).split(',')[0];

        return result;
    },

    async schedules(page, home, shot) {
        const result = {};
        const row = '#schedules tr[data-key=nightly]';
        const cell = (n) => text(page, `${row} td:nth-child(${n})`);
        const state = (wanted) => until(page, ([selector, value]) =>
            document.querySelector(selector).textContent === value,
            [`${row} td:nth-child(7)`, wanted]);

        await page.waitForSelector('nav [href="#/schedules"]:visible');
        result.offered = true;
        await page.click('nav [href="#/schedules"]');
        await page.waitForSelector(row);
        result.cron = await cell(2);
        result.next = Number(/ 03:00:00$/.test(await cell(3)));

        await page.click(`${row} button:text-is("Pause")`);
        await state('paused');
        result.paused = await cell(7);
        result.none = await cell(3);
        await page.click(`${row} button:text-is("Resume")`);
        await state('open');
        result.resumed = await cell(7);

        await page.click(`${row} button:text-is("Run now")`);
        await page.click('#confirm-yes');
        await page.waitForSelector(`${row} .completed`);
        await shot('schedules');
        result.ran = await text(page, `${row} .completed`);

        return result;
    },

    async reader(page, home, shot, made) {
        await page.goto(`${home}/board/#/overview`);
        await page.waitForSelector('#queues tr');

        const heads = await page.$$eval('th.actions', (list) => list.filter(
            (th) => th.offsetParent).length);

        await show(page, made.failed);

        return {
            buttons: await count(page, '#queues button, #job-actions button'),
            heads,
            act: await page.evaluate(async () => (await fetch(
                'act/pause?name=mail',
                { method: 'POST', headers: { 'Async-Dashboard': '1' } }))
                .status),
        };
    },

    async keyboard(page, home) {
        const one = await submit(home, '/mail?n=keyboard');
        const focused = () => page.evaluate(() => {
            const at = document.activeElement;
            return at.name || at.textContent.trim();
        });

        const tab = async (wanted) => {
            for (let n = 0; n < 80; n++) {
                await page.keyboard.press('Tab');

                if (await focused() === wanted) {
                    return;
                }
            }

            throw new Error(`no tab leads to ${wanted}`);
        };

        await page.goto(`${home}/desk/`);
        await page.keyboard.press('Tab');

        const first = await focused();

        await tab('Jobs');
        await page.keyboard.press('Enter');
        await page.waitForSelector('#view-jobs:not([hidden])');
        await tab('id');
        await page.keyboard.type(one.id);
        await page.keyboard.press('Enter');
        await page.waitForSelector('#job-actions button');
        await tab('Cancel');
        await page.keyboard.press('Enter');

        const asked = await focused();

        await tab('Yes');
        await page.keyboard.press('Enter');
        await shownStatus(page, 'canceled');

        return { first, asked, status: await status(home, one.id) };
    },

    /* what is too wide, by view */
    async narrow(page, home, shot, made) {
        const wide = {};

        await page.setViewportSize({ width: 360, height: 740 });

        for (const [name, hash] of Object.entries({
            overview: '#/overview', jobs: '#/jobs',
            webhooks: '#/webhooks?state=', schedules: '#/schedules',
            job: `#/job/${made.failed}` }))
        {
            await go(page, hash);
            await page.waitForSelector(`#view-${name}:not([hidden])`
                + ` tbody:not(:empty)`);
            await shot(`${name}-360`);

            const more = await page.evaluate(
                () => document.documentElement.scrollWidth - innerWidth);

            if (more > 0) {
                wide[name] = more;
            }
        }

        await page.setViewportSize(sizes);
        return wide;
    },

    async dark(page, home, shot) {
        const light = () => page.evaluate(() => {
            const rgb = getComputedStyle(document.body).backgroundColor
                .match(/\d+/g).map(Number);
            return (rgb[0] + rgb[1] + rgb[2]) / 3;
        });

        await go(page, '#/overview');
        await page.emulateMedia({ colorScheme: 'dark' });

        const dark = await light();

        await shot('overview-dark');
        await page.emulateMedia({ colorScheme: 'light' });

        return { light: Number(await light() > 200),
                 dark: Number(dark < 60) };
    },

    async polling(page, home) {
        await page.route('**/live', (route) => route.abort());
        await page.reload();
        await until(page, () => document.querySelector('#live').textContent
                                .startsWith('every'));
        await page.unroute('**/live');

        return text(page, '#live');
    },

    /* each vector in each field: the views are opened, and nothing runs */
    async hostile(page, home) {
        const jobs = [];
        const said = [];
        let foreign = 0;
        let shown = 0;

        const listen = (request) => {
            foreign += request.url().startsWith(home) ? 0 : 1;
        };

        page.on('dialog', (dialog) => {
            said.push(dialog.message());
            dialog.dismiss();
        });
        page.on('request', listen);

        for (const vector of vectors) {
            const value = encodeURIComponent(vector);
            const one = await submitRaw(home, `/hostile?prefix=${value}`
                + `&v=${vector}`);

            jobs.push({ id: one.id, vector });
        }

        for (const vector of vectors) {
            const one = await submitRaw(home, `/waits?${vector}`);
            const who = Buffer.from(`${vector}:x`).toString('base64');
            const done = await fetch(`${home}/desk/act/cancel?id=${one.id}`, {
                method: 'POST',
                headers: { 'Async-Dashboard': '1',
                           'Authorization': `Basic ${who}` },
            });

            jobs.push({ id: one.id, vector, by: done.status });
        }

        for (const one of jobs) {
            await ended(home, one.id);
        }

        await page.goto(`${home}/desk/#/jobs`);
        await page.waitForSelector('#jobs tr');

        for (const one of jobs) {
            await show(page, one.id);
            shown += await page.evaluate(({ vector, by }) => {
                const encoded = encodeURIComponent(vector);
                const shows = (selector, wanted) => [
                    ...document.querySelectorAll(selector),
                ].some((cell) => cell.textContent.includes(wanted));

                /* a user of Basic has no colon */
                return by ? shows('#events td',
                                  `dashboard:${vector.split(':')[0]}`)
                          : shows('#job-facts dd', `prefix=${encoded}`)
                            + shows('#job-facts dd', `/jobs/${encoded}/`)
                            + shows('#job-facts dd', `/${encoded}`)
                            + shows('#job-facts dd', vector);
            }, one);
        }

        for (const [hash, body] of [['jobs', 'jobs'], ['schedules',
            'schedules'], ['webhooks?state=', 'webhooks'],
            ['overview', 'queues']])
        {
            await go(page, `#/${hash}`);
            await page.waitForSelector(`#${body} tr`);
        }

        const ran = await page.evaluate(() => Number(window.ran ?? 0)
            + document.querySelectorAll('img, iframe, object, embed, base,'
                + ' a[href^="javascript"], main script').length);

        page.off('request', listen);

        return { vectors: vectors.length * 5, ran, foreign, said, shown };
    },

    /* a page of somebody else, in the browser of one who has access */
    async others(page, home, shot, made) {
        const result = { status: {} };

        for (const host of ['127.0.0.1', 'localhost']) {
            const one = await submit(home, '/mail?n=other');
            const act = `${home}/desk/act/cancel?id=${one.id}`;

            await page.goto(`http://${host}:${made.other}/`);
            await page.evaluate(attack, [act, `${home}/desk/`]);
            result.framed = await page.evaluate(() => new Promise((done) => {
                const frame = document.querySelector('iframe.page');

                frame.contentWindow.length;
                done(frame.contentDocument !== null);
            }));
            result.status[host] = await status(home, one.id);
        }

        return result;
    },
};


/* in the other's page */
async function attack([act, home]) {
    const wait = (element) => new Promise((resolve) => {
        element.addEventListener('load', resolve);
        element.addEventListener('error', resolve);
        setTimeout(resolve, 2000);
    });
    const tries = [];

    for (const [method, type] of [
        ['post', 'application/x-www-form-urlencoded'],
        ['post', 'text/plain'], ['post', 'multipart/form-data'],
        ['get', 'application/x-www-form-urlencoded']])
    {
        const frame = document.createElement('iframe');
        const form = document.createElement('form');

        frame.name = `f${tries.length}`;
        form.target = frame.name;
        form.method = method;
        form.enctype = type;
        form.action = act;

        const field = document.createElement('input');

        field.name = 'Async-Dashboard';
        field.value = '1';
        form.append(field);
        document.body.append(frame, form);
        tries.push(wait(frame));
        form.submit();
    }

    const image = new Image();

    image.src = act;
    tries.push(wait(image));

    for (const options of [
        { mode: 'no-cors', method: 'POST', credentials: 'include' },
        { mode: 'no-cors', method: 'POST',
          headers: { 'Async-Dashboard': '1' } },
        { method: 'POST', headers: { 'Async-Dashboard': '1' } },
        { method: 'PUT', headers: { 'Async-Dashboard': '1' } },
        { method: 'POST', credentials: 'include' }])
    {
        tries.push(fetch(act, options).catch(() => null));
    }

    navigator.sendBeacon(act, new Blob(['1'], { type: 'text/plain' }));

    const page = document.createElement('iframe');

    page.className = 'page';
    page.src = home;
    document.body.append(page);
    tries.push(wait(page));

    await Promise.all(tries);
}


browse(async (page, home, shots, other, port) => {
    const errors = [];

    serve(port);
    let refused = 0;

    page.setDefaultTimeout(30000);
    await page.setViewportSize(sizes);

    page.on('pageerror', (error) => errors.push(error.message));
    page.on('console', (message) => {
        if (page.url().startsWith(home)
            && /Content Security Policy|Trusted/.test(message.text()))
        {
            refused++;
        }
    });

    const shot = (name) => page.screenshot({
        path: `${shots}/dashboard-${name}.png`, fullPage: true,
    });

    const failed = await submit(home, '/reports?status=503', {
        method: 'PUT',
    });

    for (let n = 0; n < 8; n++) {
        await submit(home, `/reports?sleep=0.${n}`);
    }

    await submit(home, '/mail?n=1');
    await ended(home, failed.id);

    const result = {};

    for (const [name, step] of Object.entries(steps)) {
        try {
            result[name] = await step(page, home, shot, { failed: failed.id,
                                                     other });
        } catch (error) {
            await shot('broken');
            error.message = `${name}: ${error.message}`;
            throw error;
        }
    }

    return { ...result, errors, refused };
});
