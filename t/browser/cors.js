/* cors.js API PAGE OTHER: what a page may do from its origin, and another */

'use strict';

const browse = require('browser.js');


/* in the page: what a script sees of the answers */
async function seen(api) {
    const names = ['Location', 'Retry-After', 'ETag', 'Async-Result'];
    const read = (answer) => ({
        status: answer.status,
        headers: names.filter((name) => answer.headers.has(name)),
    });

    try {
        const accepted = await fetch(`${api}/reports?seconds=0`, {
            method: 'POST',
            headers: { 'Content-Type': 'application/json' },
            body: '{}',
        });
        const job = accepted.headers.get('Location');
        let answer, etag;

        do {
            answer = await fetch(job);
            etag = answer.headers.get('ETag');
        } while ((await answer.clone().json()).status !== 'completed');

        const again = await fetch(job, {
            headers: { 'If-None-Match': etag },
            cache: 'no-store',
        });

        return {
            accepted: read(accepted), status: read(answer),
            again: read(again), result: read(await fetch(`${job}/result`)),
            late: read(await fetch(job, { method: 'DELETE' })),
            missing: read(await fetch(`${api}/jobs/x`)),
        };

    } catch (error) {
        return error.name;
    }
}


browse(async (page, api, home, other) => {
    await page.goto(home);
    await page.click('#run');
    await page.waitForFunction(() => /^\d+ |^[a-z -]+:/.test(
        document.querySelector('#shown').textContent));

    const shown = await page.textContent('#shown');
    const here = await page.evaluate(seen, api);

    await page.goto(other);

    return { shown, here, elsewhere: await page.evaluate(seen, api) };
});
