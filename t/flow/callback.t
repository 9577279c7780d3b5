#!/usr/bin/env perl

# What nginx -t says of webhooks that would be useless, or unsafe.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../lib";
use AsyncHooks;
use AsyncTest;
use Test::More;


my $t = AsyncTest->new(http => '');

secret($t, $_) for qw(secret new third fourth fifth);
$t->write_file("$t->{root}/empty", '');
$t->write_file("$t->{root}/words", "not a secret\n");
$t->write_file("$t->{root}/short", "whsec_c2hvcnQ=\n");

my $root = $t->root;
my %good = (
    name     => 'api.example.com',
    callback => 'async_callback $http_x_callback_url;',
    allow    => 'async_callback_allow hooks.example.com;',
    secret   => "async_callback_secret $root/secret;",
);


# nginx -t of a location with webhooks, with what is given instead
sub configured {
    my %with = (%good, @_);
    $t->{http} = <<"END";
    server {
        listen 127.0.0.1:%%PORT%%;
        @{[ $with{name} ? "server_name $with{name};" : '' ]}
        location /a {
            async on;
            $with{callback} $with{allow} $with{secret}
            @{[ $with{location} // '' ]}
            proxy_pass http://127.0.0.1:1;
        }
        location /jobs/ { async_status; @{[ $with{status} // '' ]} }
    }
END
    return $t->nginx_t;
}


sub allowed {
    my ($name, %with) = @_;
    my ($code, $said) = configured(%with);
    is($code, 0, "$name: allowed") or diag($said);
    return;
}


sub refused {
    my ($name, $sentence, %with) = @_;
    my ($code, $said) = configured(%with);
    isnt($code, 0, "$name: refused");
    like($said, qr/\[emerg\].*\Q$sentence\E/, "$name: and why");
    return;
}


allowed('one host');
allowed('nothing', callback => '', allow => '', secret => '');
allowed('off', callback => 'async_callback off;', secret => '');

# what belongs together
refused('no secret', 'has nothing to sign with', secret => '');
refused('nobody to call', 'may call nobody', allow => '');
refused('off', 'may call nobody', allow => 'async_callback_allow off;');
refused('off and others', '"off" in "async_callback_allow" stands alone',
        allow => 'async_callback_allow public off;');
refused('fire and forget', 'exclude each other',
        location => 'async_forget on;');

# the URL
allowed('a URL of ours', callback => 'async_callback https://hooks.example.com/in;');
refused('a URL that is none', 'the callback URL',
        callback => 'async_callback hooks.example.com;');
refused('a host that is not allowed', 'the callback URL',
        callback => 'async_callback https://hooks.example.org/in;');
refused('an empty URL', 'begins with a URL',
        callback => 'async_callback "";');
refused('ends alone', 'begins with a URL',
        callback => 'async_callback on=failed;');
refused('twice', 'is duplicate', location => 'async_callback off;');

# the ends
allowed('two ends',
        callback => 'async_callback $http_x on=failed,canceled;');
refused("ends $_", 'write which ends are told',
        callback => "async_callback \$http_x $_;")
    for 'on=', 'on=done', 'on=failed,', 'on=failed,,canceled', 'failed';

# whom
allowed('a network', allow => 'async_callback_allow 10.0.0.0/8;',
        secret => "async_callback_secret $root/secret per=host;");
refused("to call $_", 'async_callback_allow',
        allow => "async_callback_allow $_;")
    for '10.0.0.0/33', 'https://example.com', '*.example.com', 'a..b';
refused('to call too many', 'bytes, 8192 are possible',
        allow => 'async_callback_allow '
                 . join(' ', map { "host$_.example.com" } 1 .. 500) . ';');

like((configured(allow => 'async_callback_allow 10.0.0.1/8;',
                 secret => "async_callback_secret $root/secret per=host;"))[1],
     qr{\[warn\].* low address bits of "10\.0\.0\.1/8" .* are meaningless},
     'bits that mean nothing');
unlike((configured(allow => "async_callback_allow $_;"))[1], qr/low address/,
       "$_ has none")
    for '10.0.0.1/32', '10.0.0.1', '::1/128';

# the secrets
allowed('two', secret => "async_callback_secret $root/new $root/secret;");
refused('five', 'more than 4 files', secret => 'async_callback_secret '
        . join(' ', map { "$root/$_" } qw(secret new third fourth fifth)) . ';');
refused('one that is not there', 'make one with',
        secret => "async_callback_secret $root/nothing;");
refused("one that is $_", 'whsec_', secret => "async_callback_secret $root/$_;")
    for qw(words short);
refused('an empty one', 'async_callback_secret',
        secret => "async_callback_secret $root/empty;");
refused('none but per', 'names no file',
        secret => 'async_callback_secret per=host;');
refused('per two things', '"per=owner" comes after "per=host"',
        secret => "async_callback_secret $root/secret per=host per=owner;");
refused('per anything', 'write per=owner or per=host',
        secret => "async_callback_secret $root/secret per=job;");

# one client's key must not sign for another
for my $allow ('public', '.example.com', '10.0.0.0/8',
               'hooks.example.com hooks.example.org')
{
    refused("one key for $allow", 'per=host',
            allow => "async_callback_allow $allow;");
    allowed("a key for each of $allow",
            allow  => "async_callback_allow $allow;",
            secret => "async_callback_secret $root/secret per=host;");
}

allowed("one key for one host, $_", allow => "async_callback_allow $_;")
    for '10.0.0.1/32', '10.0.0.1 10.0.0.1/32', '::1',
        'hooks.example.com Hooks.example.com';

allowed('one key where we name the host',
        callback => 'async_callback https://a.example.com/in;',
        allow    => 'async_callback_allow .example.com;');
refused('a key for each owner, and no owner', 'async_owner',
        secret => "async_callback_secret $root/secret per=owner;");
allowed('with owners', location => 'async_owner $remote_user;',
        status => 'async_owner $remote_user;',
        secret => "async_callback_secret $root/secret per=owner;");

# where we are to be reached
refused("a server named '$_'", 'server_name', name => $_)
    for '', '_', '*.example.com', '.example.com', '~^api\.';
refused('a status URI of the client', 'server_name', name => '',
        location => 'async_status_uri http://$host/jobs/;');
allowed('a status URI that is a URL', name => '',
        location => 'async_status_uri https://api.example.com/jobs/;');
allowed('the name first', name => 'api.example.com *.example.com');

done_testing;
