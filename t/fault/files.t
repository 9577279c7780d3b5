#!/usr/bin/env perl

# Files of the store are taken away, or replaced, under a running system: it
# is noticed, nothing is written to what nobody finds again, and then all goes
# on without a hand.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../lib";
use AsyncLoad;
use AsyncTest;
use File::Copy qw(copy);
use Test::More;
use Time::HiRes qw(time);


my $http = <<'END';
    server {
        listen 127.0.0.1:%%PORT%%;
        location / { async on; proxy_pass http://%%BACKEND%%; }
        location /jobs/ { async_status; }
        location /static { return 200 "here"; }
    }
END

my $t;


# another file of this name, with the owner of the first
sub replace_by_copy {
    my ($path) = @_;
    my ($uid, $gid) = (stat $path)[4, 5];
    copy($path, "$path.new") or die "$path: $!";
    chmod 0600, "$path.new";
    chown $uid, $gid, "$path.new" if $> == 0;
    rename "$path.new", $path or die "$path: $!";
    return;
}


sub remove {
    my ($path) = @_;
    unlink $path or die "$path: $!";
    return;
}


# refused: submits must be refused in between
sub case {
    my ($name, %args) = @_;
    my $db = $t->store . '/db';

    my @before = map { $t->job_path($t->submit("/?key=$_", body => 'b',
                                    method => $_ % 2 ? 'POST' : 'PUT')) }
                 1 .. 10;
    $t->wait_job($_) for @before;

    my $running = $t->job_path($t->submit('/?sleep=3&key=11', body => 'b',
                                          method => 'PUT'));
    poll_until(20, sub { $t->get($running)->json->{status} eq 'processing' })
        or die 'it does not run';

    my $began = time;
    $args{break}->($db);

    my (%answers, $refused, @accepted);
    my $n = 20;

    # until it was refused, if it must be, and works again
    my $back = poll_until(30, sub {
        my $answer = $t->request('POST', "/?key=@{[ $n++ ]}", body => 'b')
            or return;
        my $code = eval { $answer->json->{code} } // '';
        $answers{"$answer->{status} $code"}++;
        push @accepted, $answer if $answer->{status} == 202;

        if ($answer->{status} != 202 && !defined $refused) {
            $refused = time - $began;
            is($t->get('/static')->{body}, 'here',
               "$name: other locations are served");
        }

        return $answer->{status} == 202
               && (defined $refused || time - $began > 5);
    });

    note("$name: answers: ", join ', ', map { "$_: $answers{$_}" }
                                        sort keys %answers);
    note(sprintf '%s: noticed after %.2f s, back after %.2f s', $name,
         $refused // 0, time - $began);
    ok(defined $refused, "$name: it is noticed") if $args{refused};
    is_deeply([grep { !/^(?:202 |503 store-unavailable)$/ } keys %answers],
              [], "$name: submits are accepted or 503");
    ok($back, "$name: submits are accepted again");

    is_deeply([map { $t->wait_job($_)->{status} } @before, $running],
              [('completed') x 11], "$name: older jobs are there")
        if $back;

    # what was written to a file that is gone is gone with it
    my @ends = map { eval { $t->wait_job($_, 15)->{status} } // 'lost' }
               $args{lost} ? $accepted[-1] : @accepted;
    is_deeply([grep { $_ ne 'completed' } @ends], [],
              "$name: new ones run");
    my @posts = grep { $_ > 1 } values %{ AsyncLoad::executions($t) };
    cmp_ok(scalar @posts, '<=', 1, "$name: none ran twice but the one that "
                                   . 'may have been cut');
    AsyncLoad::check_clean($t, $name);
    return;
}


sub fresh {
    my ($name) = @_;
    $t = AsyncTest->new(name => "files-$name", workers => 2, http => $http);
    $t->start;
    return;
}


fresh('lock');
case('lock.mdb removed', refused => 1,
     break => sub { remove("$_[0]/lock.mdb") });
$t->done;

fresh('data');
case('data.mdb replaced by its copy', refused => 1, lost => 1,
     break => sub { replace_by_copy("$_[0]/data.mdb") });
$t->done;

fresh('door');
case('door removed', refused => 1,
     break => sub { remove("$_[0]/door") });
$t->done;

fresh('bell');
case('bell removed', break => sub { remove("$_[0]/bell") });
$t->done;

done_testing;
