/*
 * Debian's Chromium, headless, for scripts that AsyncTest's node runs:
 *
 *     browse(async (page, ...args) => value)
 *
 * calls it with an empty page and the script's arguments, and prints the
 * value as JSON.  Whatever goes wrong is the script's end, with a status.
 */

'use strict';

const { chromium } = require('playwright-core');

const quiet = [
    '--disable-gpu', '--disable-quic', '--disable-dev-shm-usage',
    '--no-first-run', '--disable-background-networking',
    '--disable-component-update', '--disable-sync', '--no-proxy-server',
];


async function browse(visit) {
    const browser = await chromium.launch({
        executablePath: '/usr/bin/chromium',
        args: quiet,
    });

    try {
        const page = await browser.newPage();
        page.setDefaultTimeout(60000);
        const value = await visit(page, ...process.argv.slice(2));
        process.stdout.write(JSON.stringify(value) + '\n');
    } finally {
        await browser.close();
    }
}


module.exports = (visit) => browse(visit).catch((error) => {
    console.error(error);
    process.exitCode = 1;
});
