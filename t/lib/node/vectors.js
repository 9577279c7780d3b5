/*
 * Texts that become script where text is taken for markup, for a part of
 * markup, of a script, of a style or for an address.  Each sets window.ran.
 */

'use strict';

const run = 'window.ran=1';

const elements = [
    `<script>${run}</script>`, `<ScRiPt>${run}</sCrIpT>`,
    `<script/x>${run}</script>`, `<scr<script>ipt>${run}</script>`,
    `<script>${run}//`, `<svg><script>${run}</script></svg>`,
    `<math><mtext><script>${run}</script>`,
    `<img/src=x/onerror=${run}>`, `<img/src=x/onerror="${run}">`,
    `<img/src='x'/onerror='${run}'>`, '<img/src=x/onerror=window[`ran`]=1>',
    `<IMG/SRC=x/ONERROR=${run}>`, `<image/src=x/onerror=${run}>`,
    `<svg/onload=${run}>`, `<svg><animate/onbegin=${run}/attributeName=x>`,
    `<svg><set/onbegin=${run}/attributeName=x>`, `<body/onload=${run}>`,
    `<input/autofocus/onfocus=${run}>`, `<select/autofocus/onfocus=${run}>`,
    `<textarea/autofocus/onfocus=${run}>`, `<details/open/ontoggle=${run}>`,
    `<video/src=x/onerror=${run}>`, `<audio/src=x/onerror=${run}>`,
    `<video><source/onerror=${run}>`, `<object/data=javascript:${run}>`,
    `<embed/src=javascript:${run}>`, `<iframe/src=javascript:${run}>`,
    `<iframe/srcdoc=<script>parent.ran=1</script>>`,
    `<form/action=javascript:${run}><button>x`,
    `<a/href=javascript:${run}>x</a>`, `<base/href=//other.test/>`,
    `<meta/http-equiv=refresh/content=0;url=javascript:${run}>`,
    `<link/rel=stylesheet/href=//other.test/x.css>`,
    `<style>@import'//other.test/x.css'</style>`,
    `<marquee/onstart=${run}>x`, `<template><script>${run}</script>`,
    `<div/style=animation-name:x/onanimationstart=${run}>`,
];

const breaks = [
    `"><script>${run}</script>`, `'><script>${run}</script>`,
    `</td></tr></table><script>${run}</script>`,
    `</title><script>${run}</script>`, `--><script>${run}</script>`,
    `</textarea><svg/onload=${run}>`, `</script><script>${run}</script>`,
    `"onmouseover=${run}//`, `'onfocus=${run}/autofocus=`, `";${run}//`,
    `';${run}//`, '`${' + run + '}`', `\\";${run}//`, `{{${run}}}`,
    `javascript:${run}`, `JaVaScRiPt:${run}`, `javascript&colon;${run}`,
    `data:text/html,<script>${run}</script>`, `]]><script>${run}</script>`,
    `&lt;script&gt;${run}&lt;/script&gt;`, `%3Cscript%3E${run}%3C/script%3E`,
    '\u202e<script>' + run + '</script>',
];

module.exports = [...elements, ...breaks];
