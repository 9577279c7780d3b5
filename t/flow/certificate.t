#!/usr/bin/env perl

# Where jobs have no owner, the certificate of a client stands in for it.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../lib";
use AsyncTest;
use Test::More;


my $t = AsyncTest->new(http => <<'END');
    server {
        listen 127.0.0.1:%%PORT%% ssl;
        ssl_certificate     %%ROOT%%/server.crt;
        ssl_certificate_key %%ROOT%%/server.key;
        ssl_verify_client   optional_no_ca;

        location /a {
            async on;
            proxy_pass http://%%BACKEND%%;
        }

        location /jobs/ { async_status; }
    }
END

for my $name (qw(server ann bob)) {
    my $root = $t->root;
    $t->make_certificate("$name.test");
    rename "$root/cert.pem", "$root/$name.crt" or die $!;
    rename "$root/key.pem",  "$root/$name.key" or die $!;
}

$t->start;


# the id of the job of a POST with a key, as one who shows this certificate
sub post {
    my ($who, @more) = @_;
    my $root = $t->root;
    my $answer = $t->curl('-k', '-d', 'x', '-H', 'Idempotency-Key: "k"',
        $who ? ('--cert', "$root/$who.crt", '--key', "$root/$who.key") : (),
        @more, 'https://127.0.0.1:' . $t->port . '/a');

    return $answer && $answer->{status} == 202 ? $answer->json->{id}
         : $answer ? "$answer->{status}: $answer->{body}" : 'no answer';
}

my %id = map { $_ => post($_) } '', qw(ann bob);

my %different = map { $_ => 1 } values %id;

is(scalar keys %different, 3,
   'clients that differ in their certificate have jobs of their own')
    or diag(explain(\%id));
is(post($_), $id{$_}, 'and each its own again: ' . ($_ || 'none'))
    for sort keys %id;
isnt(post('ann', '-H', 'Authorization: x'), $id{ann},
     'one of them with an Authorization is another');

$t->done;
done_testing;
