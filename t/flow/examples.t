#!/usr/bin/env perl

# Every file of conf-examples is one that nginx takes, a test uses and the
# README tells of.

use strict;
use warnings;

use AsyncExample;
use AsyncTest;
use Test::More;

my $top    = AsyncTest::top();
my $readme = slurp("$top/README.md");
my $tests  = join '', map { slurp($_) }
             glob "$top/t/flow/*.t $top/t/browser/*.t";
my @names  = map { s{.*/}{}r } glob "$top/conf-examples/*.conf";

ok(scalar @names, 'there are examples');

for my $name (@names) {
    my $t = AsyncExample->new($name, name => "examples-$name");
    my ($code, $said) = $t->nginx_t;

    is($code, 0, "$name: nginx -t") or diag $said;
    unlike($said, qr/\[(?:warn|error)\]/, "$name: without a warning");
    ok(index($tests, "AsyncExample->new('$name'") >= 0,
       "$name: has a test");
    ok(index($readme, "(conf-examples/$name)") >= 0,
       "$name: in the README");
}

done_testing;
