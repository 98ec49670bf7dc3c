namespace VmRepl.Blocks.Tests;

[TestFixture]
public class PooledBufferTests
{
    [Test]
    public void Buffer_OfAnOddSize_HasExactlyThatSize()
    {
        using var buffer = PooledBuffer.Rent(1001);
        Assert.That((buffer.Span.Length, buffer.Memory.Length), Is.EqualTo((1001, 1001)));
    }

    [Test]
    public void Buffer_Disposed_CannotBeUsedAndIsReturnedOnce()
    {
        var buffer = PooledBuffer.Rent(4096);
        buffer.Dispose();
        buffer.Dispose();
        Assert.That(() => buffer.Memory, Throws.InstanceOf<ObjectDisposedException>());
        // Given back twice, one array would be handed to two owners.
        using var one = PooledBuffer.Rent(4096);
        using var two = PooledBuffer.Rent(4096);
        one.Span[0] = 1;
        two.Span[0] = 2;
        Assert.That(one.Span[0], Is.EqualTo(1));
    }
}
