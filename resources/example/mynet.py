"""A network of your own: any factory of `classes` and `channels` that torch.fx can trace."""

from torch import Tensor, nn


class MyNet(nn.Module):
    def __init__(self, classes: int, channels: int, width: int = 16) -> None:
        super().__init__()
        self.features = nn.Sequential(
            nn.Conv2d(channels, width, 3, padding=1, bias=False),
            nn.BatchNorm2d(width),
            nn.ReLU(),
            nn.MaxPool2d(2),
            nn.Conv2d(width, 2 * width, 3, padding=1, bias=False),
            nn.BatchNorm2d(2 * width),
            nn.ReLU(),
        )
        self.dropout = nn.Dropout(0.1)
        self.classifier = nn.Linear(2 * width, classes)

    def forward(self, images: Tensor) -> Tensor:
        pooled = self.features(images).mean(dim=(2, 3))  # [N, 2 width]
        return self.classifier(self.dropout(pooled))  # [N, classes]


def small(classes: int, channels: int) -> nn.Module:
    return MyNet(classes, channels)
