#!/usr/bin/env perl

# conf-examples/cors.conf and its page, in a browser.

use strict;
use warnings;

use AsyncExample;
use AsyncTest;
use Test::More;


my $t    = AsyncExample->new('cors.conf');
my $page = $t->port('8088');

$t->write_file('conf-examples/cors.html', $t->example('cors.html'));
$t->start;

my @answers = $t->by_hand;
my $origin  = "http://127.0.0.1:$page";

is_deeply([map { $_->{status} } @answers], [204, 202, 200],
          'by hand: asked for, accepted, polled');
is_deeply([map { $_->headers('Access-Control-Allow-Origin') } @answers],
          [($origin) x 3], 'each says that the page may read it');

for my $target ('/reports?seconds=0', '/jobs/x') {
    my $answer = $t->request('OPTIONS', $target, headers => [
        'Origin' => 'http://other.test',
        'Access-Control-Request-Method' => 'POST',
    ]);
    unlike($answer->{head}, qr/^Access-Control/mi,
           "$target: no word of it to another origin");
    is($answer->header('Vary'), 'Origin',
       "$target: nor may a cache take it for that");
}


my $api  = 'http://127.0.0.1:' . $t->port;
my $seen = $t->node('t/browser/cors.js', $api, "$origin/cors.html",
                    "http://localhost:$page/cors.html");

like($seen->{shown}, qr/^200 \{.*"words": 2\b/s,
     'the page shows the result of its job');
is_deeply($seen->{here}, {
    accepted => { status => 202, headers => ['Location', 'Retry-After'] },
    status   => { status => 200, headers => ['ETag'] },
    again    => { status => 304, headers => ['ETag'] },
    result   => { status => 200, headers => ['ETag', 'Async-Result'] },
    late     => { status => 409, headers => [] },
    missing  => { status => 404, headers => [] },
}, 'a script sees where its job is, when to ask again, and what came of it');
is($seen->{elsewhere}, 'TypeError', 'a page of another origin sees nothing');

$t->done;
done_testing;
